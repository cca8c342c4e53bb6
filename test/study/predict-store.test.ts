/** What calls of `predict` share is read once, with the same answers. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BlockStore } from "../../src/batch/store.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { openTags } from "../../src/tags/library.ts";
import type { Tag } from "../../src/tags/tag.ts";
import { smallStudy } from "../support/small-study.ts";

let base: Base;
let folder: string;
let tags: Map<string, Tag>;
/** Runs of the engine that store spans. */
let storing = 0;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "predict-store-"));
  await runStudy(await prepareStudy(await loadStudy(await smallStudy(folder, 6)), base), {
    out: join(folder, "run"),
  });
  tags = await openTags(join(folder, "run", "seed-1", "tags"));
  const run = base.run.bind(base);
  base.run = (spec, ...rest) => {
    if (spec.result.kind === "keys") storing++;
    return run(spec, ...rest);
  };
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

const compose = "Chain <Chain> {left} beside <Chain> {right} has <Count>";
const protein = "CNOOCNCONNCO".repeat(8);
const rows = Array.from({ length: 40 }, (_, i) => ({
  left: protein,
  right: "CNO".slice(i % 3) + "O".repeat(i),
}));

/** The rows in parts, as the command line and `eval` read a long table. */
async function inParts(store?: BlockStore): Promise<number[]> {
  storing = 0;
  const values: number[] = [];
  for (let at = 0; at < rows.length; at += 10) {
    const part = rows.slice(at, at + 10);
    const answers = await predict(base, tags, "Count", part, { compose, ...(store && { store }) });
    values.push(...answers.map((a) => a.values.oxygens as number));
  }
  return values;
}

test("a span that rows share is read once for all parts, and once for each part without a store", async () => {
  const alone = await inParts();
  const eachPart = storing;
  const store = new BlockStore(base);
  const shared = await inParts(store);
  assert.ok(storing < eachPart, `${storing} runs that store, ${eachPart} without a store`);
  assert.ok(shared.every((value, i) => Math.abs(value - (alone[i] as number)) < 1e-4));
  assert.ok((await base.engine.stats()).residents > 0);
  await store.clear();
  assert.equal((await base.engine.stats()).residents, 0);
});

test("without reuse nothing is stored, and the answers are the same", async () => {
  const store = new BlockStore(base);
  storing = 0;
  const plain = await predict(base, tags, "Count", rows, { compose, store, reuse: "none" });
  assert.equal(storing, 0);
  const alone = await predict(base, tags, "Count", rows, { compose });
  assert.ok(storing > 0);
  plain.forEach(({ values }, i) => {
    assert.ok(Math.abs((values.oxygens as number) - (alone[i]?.values.oxygens as number)) < 1e-4);
  });
});

test("a long span is kept from the second call of one row on, and one that comes once is not", async () => {
  const store = new BlockStore(base);
  const [row] = rows as [(typeof rows)[0]];
  const counts: number[] = [];
  for (let call = 0; call < 4; call++) {
    storing = 0;
    await predict(base, tags, "Count", [row], { compose, store });
    counts.push(storing);
  }
  assert.equal(counts[0], 0);
  assert.ok((counts[1] as number) > 0);
  assert.deepEqual(counts.slice(2), [0, 0]);
  storing = 0;
  for (let call = 0; call < 3; call++)
    await predict(base, tags, "Count", [{ left: "NNN", right: "OO" }], { compose, store });
  assert.equal(storing, 0, "short spans run in their place");
  await store.clear();
});

test("a store of another base is refused", async () => {
  const store = new BlockStore({ ...base, name: "other" } as unknown as Base);
  await assert.rejects(predict(base, tags, "Count", rows, { compose, store }), {
    code: "store/base",
    message: /other/,
  });
});
