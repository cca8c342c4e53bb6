/**
 * Zero-shot composition: a function tag asked in another prompt than its own. The obviously right slow path is a
 * copy of the tag whose own template is that prompt.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
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
/** Chain and Count of one seed; Other is a domain tag of another seed, which Count never met. */
let tags: Map<string, Tag>;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "compose-"));
  const study = await loadStudy(await smallStudy(folder, 6));
  await runStudy(await prepareStudy(study, base), { out: join(folder, "run") });
  tags = await openTags(join(folder, "run", "seed-1", "tags"));
  const strange = (await openTags(join(folder, "run", "seed-2", "tags"))).get("Chain") as Tag;
  tags.set("Other", { ...strange, name: "Other" });
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

const prompt = "Chain <Other> {left} and <Chain> {right} have <Count>";
const rows = [
  { left: "CNO", right: "OOCN" },
  { left: "NNC", right: "CO" },
];

test("a prompt of two fields and a foreign domain tag is answered as if it were the tag's own", async () => {
  const composed = await predict(base, tags, "Count", rows, { compose: prompt });
  const count = tags.get("Count") as Tag;
  const own = new Map([...tags, ["Count", { ...count, template: prompt, usesTags: [] }]]);
  const plain = await predict(base, own, "Count", rows);
  assert.deepEqual(
    composed.map((p) => p.values),
    plain.map((p) => p.values),
  );
  assert.notEqual(composed[0]?.values.oxygens, composed[1]?.values.oxygens);
  assert.ok(plain.every((p) => p.intervals && p.composed === undefined));
  for (const p of composed) {
    assert.equal(p.composed, true);
    assert.equal(p.intervals, undefined, "an interval measured on other prompts would be a false promise");
    assert.equal(typeof p.outOfDomain, "boolean");
  }
});

test("a domain tag of the same name in another version: refused, and possible where it is asked for", async () => {
  const other = new Map([...tags, ["Chain", { ...(tags.get("Other") as Tag), name: "Chain" }]]);
  const asked = [{ text: "CNOO" }];
  await assert.rejects(predict(base, other, "Count", asked), { code: "tag/changed" });
  const compose = (tags.get("Count") as Tag).template as string;
  const [swapped] = await predict(base, other, "Count", asked, { compose });
  const [renamed] = await predict(base, tags, "Count", asked, {
    compose: compose.replace("Chain>", "Other>"),
  });
  const [own] = await predict(base, tags, "Count", asked);
  assert.deepEqual(swapped?.values, renamed?.values);
  assert.notDeepEqual(swapped?.values, own?.values);
});

test("a prompt that does not ask the tag is refused, and so are tags and fields that are not there", async () => {
  const ask = (compose: string, tag = "Count") => predict(base, tags, tag, rows, { compose });
  await assert.rejects(ask("Chain <Chain> {left}"), { code: "predict/not-a-function" });
  await assert.rejects(ask(prompt, "Chain"), { code: "predict/not-a-function" });
  await assert.rejects(ask(""), { code: "prompts/empty" });
  await assert.rejects(ask("<Nowhere> {left} <Count>"), { code: "tag/unknown" });
  await assert.rejects(ask("<Chain> {middle} <Count>"), { code: "prompts/unknown-field" });
  await assert.rejects(ask("<Count> <Chain> {left}"), { code: "prompts/function-tag" });
  const foreign = { ...(tags.get("Other") as Tag), base: { ...base.fingerprint, weights: "0".repeat(64) } };
  const wrong = new Map([...tags, ["Other", foreign]]);
  await assert.rejects(predict(base, wrong, "Count", rows, { compose: prompt }), { code: "tag/wrong-base" });
});
