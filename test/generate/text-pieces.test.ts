/** Text in pieces: whole characters, stop strings cut anywhere, the same text as decoded at once. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { TextPieces } from "../../src/generate/text-pieces.ts";
import { loadTokenizer, type TextTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { polyglotFolder } from "../support/goldens.ts";
import fc from "../support/properties.ts";

/** Token i is byte i: every character beyond ASCII is cut across tokens. */
const bytes = {
  decode: (ids: Iterable<number>) => new TextDecoder().decode(Uint8Array.from(ids)),
};
const bytesOf = (text: string) => [...new TextEncoder().encode(text)];

function writeAll(
  ids: readonly number[],
  stops: readonly string[],
  tokenizer: Pick<TextTokenizer, "decode">,
) {
  const writer = new TextPieces(tokenizer, stops);
  const pieces: string[] = [];
  for (const id of ids) {
    pieces.push(writer.push(id));
    if (writer.stopped) break;
  }
  pieces.push(writer.flush());
  assert.equal(pieces.join(""), writer.text);
  return { pieces, text: writer.text, stopped: writer.stopped };
}

test("characters of several tokens come whole, at their last token", () => {
  const { pieces } = writeAll(bytesOf("aé€😀b"), [], bytes);
  assert.deepEqual(pieces, ["a", "", "é", "", "", "€", "", "", "", "😀", "b", ""]);
});

test("an unfinished character is given out at the end, as the decoder gives it", () => {
  assert.equal(writeAll(bytesOf("é").slice(0, 1), [], bytes).text, "\ufffd");
});

test("nothing of a stop string is given out, nor what follows", () => {
  const { pieces, text, stopped } = writeAll(bytesOf("one END two"), ["END"], bytes);
  assert.deepEqual([text, stopped], ["one ", true]);
  assert.ok(!pieces.some((piece) => piece.includes("E")));
});

test("what only begins like a stop string is given out once that is clear", () => {
  assert.deepEqual(writeAll(bytesOf("aENb"), ["END"], bytes).pieces, ["a", "", "", "ENb", ""]);
  assert.deepEqual(writeAll(bytesOf("aEN"), ["END"], bytes).pieces, ["a", "", "", "EN"]);
});

test("pieces together are the text up to the first stop string, wherever tokens are cut", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 24 }).filter((s) => !s.includes("\ufffd"));
  const mixed = fc
    .array(fc.oneof(text, fc.constantFrom("ab", "aab", "\n\n", "é!")))
    .map((all) => all.join(""));
  fc.assert(
    fc.property(
      mixed,
      fc.array(fc.constantFrom("ab", "aab", "\n\n", "é!", "b"), { maxLength: 2 }),
      (whole, stops) => {
        const found = stops.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0);
        const { text: given, stopped } = writeAll(bytesOf(whole), stops, bytes);
        assert.equal(given, found.length ? whole.slice(0, Math.min(...found)) : whole);
        assert.equal(stopped, found.length > 0);
      },
    ),
  );
});

describe("with the tokenizer of a base", () => {
  let tokenizer: TextTokenizer;
  before(async () => {
    tokenizer = await loadTokenizer(polyglotFolder);
  });

  test("pieces are the text that is decoded at once", () => {
    for (const text of [" the light of the world", "свет мира", "φῶς τοῦ κόσμου", "naïve 😀 CC(=O)Oc1"]) {
      const ids = [...tokenizer.encode(text, { atStart: false })];
      assert.equal(writeAll(ids, [], tokenizer).text, tokenizer.decode(ids));
    }
  });

  test("control tokens have no text", () => {
    const ids = [...tokenizer.encode("one", { atStart: false }), tokenizer.eosId as number];
    assert.equal(writeAll(ids, [], tokenizer).text, "one");
  });
});
