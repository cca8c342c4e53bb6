/** A seed counts once: the same run twice would show no spread and too narrow intervals. And what is drawn from one. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { readEmbeddings, startTags } from "../../src/study/live.ts";
import { parseLoaded, parseStudy } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { initialVectors } from "../../src/tags/init.ts";

const study = (seeds: string) => `name: small
seeds: ${seeds}
data: { rows: { file: rows.csv } }
tags: { Text: { kind: domain } }
stages: [{ name: text, train: [Text], tasks: [{ data: rows, template: "<Text> {text}" }] }]
`;

test("a seed that is given twice is refused by its value", () => {
  assert.deepEqual(parseStudy(study("[3, 0, 1]"), "s.yaml").seeds, [3, 0, 1]);
  for (const [seeds, twice] of [
    ["[1, 1]", 1],
    ["[0, 7, 2, 7, 0]", 7],
  ] as const) {
    assert.throws(
      () => parseStudy(study(seeds), "s.yaml"),
      (e) => {
        assert.ok(e instanceof TagllmError);
        assert.equal(e.code, "study/invalid");
        assert.match(e.problem, new RegExp(`seeds \\(line 2\\): the seed ${twice} is there twice`));
        return true;
      },
    );
  }
});

test("tags of one study begin with other values each, whatever the seed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "seeds-"));
  const base = await Base.load(defaultBase);
  try {
    await writeFile(join(folder, "rows.csv"), `text\n${"CCO\nCCN\nCCC\n".repeat(5)}`);
    const noisy = "{ kind: domain, length: 1, init: { noise: 0.3 } }";
    const text = study("[1]")
      .replace("Text: { kind: domain }", `Text: ${noisy}, Other: ${noisy}`)
      .replace("train: [Text]", "train: [Text, Other], steps: 1")
      .replace("<Text> {text}", "<Text> {text} <Other> {text}")
      .replace("rows.csv }", "rows.csv, split: { test: 3, validation: 3 } }");
    const prepared = await prepareStudy(parseLoaded(text, join(folder, "study.yaml")), base);
    const embeddings = await readEmbeddings(base);
    const begins = (seed: number) =>
      [...startTags(prepared, embeddings, seed).values()].map(({ vectors }) => vectors);
    for (const seed of [1, Number.MAX_SAFE_INTEGER]) {
      const [one, other] = begins(seed);
      assert.notDeepEqual(one, other, String(seed));
    }
    const { table, stats } = embeddings;
    for (const seed of [1, 1_764_288_000_000])
      assert.deepEqual(
        begins(seed),
        [0, 1].map((i) => initialVectors(table, stats, 1, { from: "mean", noise: 0.3 }, seed * 1000 + i)),
        "as ever where the product is exact",
      );
  } finally {
    await base.close();
    await rm(folder, { recursive: true });
  }
});
