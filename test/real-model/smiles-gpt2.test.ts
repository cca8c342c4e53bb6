/** A trained GPT-2 of SMILES (../shared): its SOURCE.md gives 0.659 nats a token on 40 SMILES of ZINC. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Runner } from "../../src/batch/runner.ts";
import { learn } from "../../src/learn/learn.ts";
import { Base } from "../../src/models/base.ts";
import { sharedFolder } from "../support/goldens.ts";
import { textQuery } from "../support/random-prompts.ts";

const folder = `${sharedFolder}models/smiles-gpt2-chemtsv3/gpt2_0.2m`;

test("smiles-gpt2 reads SMILES as its makers say", {
  skip: existsSync(folder) ? false : `needs ${folder}`,
}, async (t) => {
  const base = await Base.load(folder, { threads: 1 });
  try {
    const table = await readFile(`${sharedFolder}data/smiles/zinc_qed_30k.csv`, "utf8");
    const { tokenizer } = base;
    const queries = table
      .split("\n")
      .slice(1, 41)
      .map((line) => tokenizer.encode(line.slice(0, line.indexOf(",")), { atStart: true }))
      .map((ids) => textQuery(Int32Array.of(tokenizer.bosId as number, ...ids, tokenizer.eosId as number)));
    const labels = queries.map(({ prompt }) =>
      Array.from(prompt.ids.subarray(1), (id, i) => ({ position: i + 1, id })),
    );
    const runner = new Runner(base, () => new Float32Array(0), { reuse: "none", tokens: 512 });
    const nats = (await runner.nll(queries, labels)).flatMap((row) => [...row]);
    const mean = nats.reduce((sum, x) => sum + x, 0) / nats.length;
    assert.equal(mean.toFixed(3), "0.659");
    t.diagnostic(`${mean.toFixed(4)} nats on ${nats.length} tokens`);
  } finally {
    await base.close();
  }
});

test("its tokenizer has no words: what is learned on it are prompts of tags and data alone", {
  skip: existsSync(folder) ? false : `needs ${folder}`,
}, async () => {
  const place = await mkdtemp(join(tmpdir(), "tagllm-wordless-"));
  try {
    const rows = ["CCO", "C[C@@H](N)", "CCC", "COC", "C[NH+]C", "CCF"].flatMap((head) =>
      Array.from({ length: 20 }, (_, i) => `${head}${"C".repeat(i + 1)},${i + head.length}`),
    );
    const data = join(place, "molecules.csv");
    const salt = "[Na+].[Cl-],3"; // which it has no tokens for
    await writeFile(data, `smiles,size\n${[...rows, salt].join("\n")}\n`);
    const kinds: string[] = [];
    const learned = await learn({
      data,
      inputs: [{ column: "smiles", tag: "SMILES" }],
      target: "size",
      out: join(place, "out"),
      base: folder,
      seeds: 1,
      minutes: 0.2,
      threads: 1,
      onEvent: ({ kind }) => kinds.push(kind),
    });
    assert.ok(kinds.includes("no-words"));
    const study = await readFile(learned.studies.at(-1) as string, "utf8");
    assert.match(study, /template: "?<SMILES>\{smiles\}<Size>"?$/m);
  } finally {
    await rm(place, { recursive: true });
  }
});
