/** Tokenizers of other people's models: a SentencePiece-like one and a WordLevel one for SMILES. Needs ../shared. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Tokenizer } from "../../src/tokenizer/library.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import fc from "../support/properties.ts";

const shared = new URL("../../../shared/", import.meta.url).pathname;
const stories = `${shared}models/tinystories-656k`;
const smiles = `${shared}models/smiles-gpt2-chemtsv3/gpt2_0.2m`;
const skip = existsSync(stories) ? false : "needs ../shared/models";

const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));

test("tinystories: ids equal the library's, control tokens in text are letters, blanks come back", {
  skip,
}, async () => {
  const tokenizer = await loadTokenizer(stories);
  const { vocabSize, bosId, eosId, addBos } = tokenizer;
  assert.deepEqual([vocabSize, bosId, eosId, addBos], [2048, 1, 2, true]);
  const library = new Tokenizer(json(`${stories}/tokenizer.json`), json(`${stories}/tokenizer_config.json`));
  const known = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,!?\"'\n-:;<>|_";
  const words = fc.constantFrom(
    "<|start_story|>",
    "<|end_story|>",
    "<unk>",
    "once upon a time",
    " ",
    ...known,
  );
  const text = fc.array(words, { minLength: 1 }).map((parts) => parts.join(""));
  const isPlain = (value: string) => !/<unk>|<\|(start|end)_story\|>/.test(value);
  fc.assert(
    fc.property(text, (value) => {
      const ids = [...tokenizer.encode(value, { atStart: true })];
      assert.equal(tokenizer.decode(ids), value);
      assert.equal(tokenizer.decode(tokenizer.encodeCharacters(value, { atStart: true })), value);
      const later = tokenizer.encode(value, { atStart: false });
      if (!value.startsWith(" ")) assert.equal(tokenizer.decode(later), value);
      assert.ok([...ids, ...later].every((id) => id > 2));
      if (isPlain(value)) assert.deepEqual(ids, library.encode(value, { add_special_tokens: false }).ids);
    }),
    { numRuns: 1000 },
  );
});

test("chemtsv3: ZINC molecules are cut as its authors cut them", { skip }, async () => {
  const tokenizer = await loadTokenizer(smiles);
  const { vocabSize, bosId, eosId, addBos } = tokenizer;
  assert.deepEqual([vocabSize, bosId, eosId, addBos], [66, 13, 14, true]);
  const vocabulary = json(`${smiles}/tokenizer.json`).model.vocab;
  const rows = readFileSync(`${shared}data/smiles/zinc_qed_30k.csv`, "utf8").split("\n").slice(1, 3001);
  const molecules = rows.map(
    (row) =>
      row
        .split(",")
        .find((cell) => /^[A-Za-z[]\S*$/.test(cell.trim()))
        ?.trim() ?? "",
  );
  let compared = 0;
  for (const molecule of molecules) {
    const tokens = molecule.match(/\[[^\]]+\]|Br|Cl|./g) ?? [];
    if (molecule === "" || !tokens.every((token) => token in vocabulary)) continue;
    compared++;
    const ids = [...tokenizer.encode(molecule, { atStart: true })];
    assert.deepEqual(
      ids,
      tokens.map((token) => vocabulary[token]),
    );
    assert.equal(tokenizer.decode([13, ...ids, 14], { skipSpecial: true }), molecule);
  }
  assert.ok(compared > 2500, `${compared} molecules compared`);
});

test("chemtsv3: a control token in text has no letters to stand for it and is refused", {
  skip,
}, async () => {
  const tokenizer = await loadTokenizer(smiles);
  for (const text of ["<BOS>", "CC<EOS>C", "<PAD>"]) {
    assert.throws(() => tokenizer.encode(text, { atStart: true }), { code: "tokenizer/unknown-text" });
  }
});
