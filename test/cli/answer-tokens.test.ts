/** How long an answer in text may be, on the command line: as the tag says, or as --answer-tokens does. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { predict } from "../../src/study/predict.ts";
import { saveTag, tagFile } from "../../src/tags/file.ts";
import type { Tag } from "../../src/tags/tag.ts";
import { run, temporaryFolder } from "./command.ts";

let base: Base;
before(async () => {
  base = await Base.load(defaultBase);
});
after(() => base.close());

/** Rows of the embedding table: what the base says after them does not end soon. */
async function tagOf(changes: Partial<Tag>): Promise<Tag> {
  const width = base.architecture.hiddenSize;
  const ids = base.tokenizer.encode("And God said", { atStart: true });
  const rows = await base.embeddingRows();
  return {
    name: "Say",
    kind: "function",
    vectors: Float32Array.from([...ids].flatMap((id) => [...rows.subarray(id * width, (id + 1) * width)])),
    length: ids.length,
    width,
    head: null,
    splitCharacters: false,
    isolate: false,
    bos: true,
    scaling: null,
    template: "{text} <Say> {answer}",
    outputs: ["answer"],
    usesTags: [],
    base: base.fingerprint,
    provenance: {},
    ...changes,
  };
}

test("predict and eval keep to the tag's longest answer, say how many were cut, and take another", async (t) => {
  const folder = temporaryFolder(t);
  const say = await tagOf({ answerTokens: 3 });
  await saveTag(tagFile(folder, "Say"), say);
  writeFileSync(join(folder, "rows.csv"), "text,answer\nyesterday,a\ntoday,b\n");
  const rows = [{ text: "yesterday" }, { text: "today" }];
  const tags = new Map([["Say", say]]);
  const [three, five] = [
    await predict(base, tags, "Say", rows),
    await predict(base, tags, "Say", rows, { answerTokens: 5 }),
  ];
  assert.ok([...three, ...five].every(({ unfinished }) => unfinished));
  assert.notEqual(three[0]!.values.answer, five[0]!.values.answer);

  const table = ["predict", "--tag", "Say", "--tags", folder, "--data", join(folder, "rows.csv"), "--json"];
  for (const [words, expected] of [
    [[], three],
    [["--answer-tokens", "5"], five],
  ] as const) {
    const { stdout, stderr } = await run([...table, ...words]);
    assert.match(stderr, /2 of 2 answers were cut off, at the longest answer \(--answer-tokens\)/);
    assert.deepEqual(
      JSON.parse(stdout).predictions.map((p: { values: object }) => p.values),
      expected.map(({ values }) => values),
    );
  }
  const one = await run(["predict", "--tag", tagFile(folder, "Say"), "--field", "text=today"]);
  assert.match(one.stderr, /The answer was cut off, at the longest answer/);
  assert.match(one.stdout, new RegExp(`^answer +${three[1]!.values.answer}`));

  const scored = await run(["eval", folder, join(folder, "rows.csv"), "--answer-tokens", "5"]);
  assert.match(scored.stdout, /\n! 2 answers were cut off, at the longest answer/, scored.stderr);
});

test("--answer-tokens for a tag that writes none, or of none, is refused", async (t) => {
  const folder = temporaryFolder(t);
  const width = base.architecture.hiddenSize;
  const head = { weight: new Float32Array(width).fill(1), bias: null, outputs: 1 };
  await saveTag(tagFile(folder, "Say"), await tagOf({ head }));
  writeFileSync(join(folder, "rows.csv"), "text,answer\ntoday,1\n");
  const predicting = ["predict", "--tag", tagFile(folder, "Say"), "--field", "text=today"];
  for (const words of [predicting, ["eval", folder, join(folder, "rows.csv")]]) {
    const numbers = await run([...words, "--answer-tokens", "5"]);
    assert.equal(numbers.code, 2);
    assert.match(numbers.stderr, /--answer-tokens is for tags that answer in text, and "Say" does not/);
    const none = await run([...words, "--answer-tokens", "0"]);
    assert.deepEqual([none.code, /at least one token/.test(none.stderr)], [2, true], none.stderr);
  }
});
