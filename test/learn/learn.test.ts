/** From a table to tags: what is written, that it repeats, and what is refused. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { functionTagOf, parseInput } from "../../src/learn/compose.ts";
import { type LearnEvent, learn } from "../../src/learn/learn.ts";
import { choose } from "../../src/learn/search.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { openTags } from "../../src/tags/library.ts";
import { tagHashes } from "../support/kills.ts";

let folder: string;
let data: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "learn-"));
  data = join(folder, "chains.csv");
  const rows = Array.from({ length: 150 }, (_, i) => {
    const text = Array.from({ length: 3 + (i % 9) }, (_, k) => "CNO"[(i * (k + 3) + ((i * i) % 5)) % 3]).join(
      "",
    );
    return `${text},${[...text].filter((c) => c === "O").length},word`;
  });
  await writeFile(data, `chain (text),oxygens,label\n${rows.join("\n")}\n`);
});
after(() => rm(folder, { recursive: true }));

const inputs = [parseInput("chain (text):Chain")];

test("a table becomes tags, trials, a report and studies that give the same tags again", async () => {
  const out = join(folder, "run");
  const events: LearnEvent[] = [];
  const options = { data, inputs, target: "oxygens", out, seeds: 1, minutes: 0.2 };
  const learned = await learn({ ...options, onEvent: (e) => events.push(e) });
  assert.equal(learned.tag, "Oxygens");
  assert.ok(learned.choice.trials.length >= 3);
  assert.equal(events.filter((e) => e.kind === "trial").length, learned.choice.trials.length);
  const methods = learned.report.stages[0]?.tasks[0]?.methods.map((m) => m.method) ?? [];
  assert.ok(methods.includes("linear probe") && methods.includes("function tag"), methods.join());

  const base = await Base.load(defaultBase);
  try {
    for (const [i, study] of learned.studies.entries()) {
      const again = join(folder, `again-${i}`);
      await runStudy(await prepareStudy(await loadStudy(study), base), { out: again });
      const first = await tagHashes(join(out, i === 0 ? "domains" : "run"));
      assert.deepEqual(await tagHashes(again), first);
    }
    const tags = await openTags(learned.tags);
    const [three] = await predict(base, tags, learned.tag, [{ "chain (text)": "COOOC" }]);
    assert.ok(Number.isFinite(three?.values.oxygens));
  } finally {
    await base.close();
  }

  // The same command again goes by what was chosen, and a found domain tag is not learned again.
  const again = await learn({ ...options, onEvent: () => {} });
  assert.deepEqual(again.choice, learned.choice);
  const other = join(folder, "found");
  const kinds: boolean[] = [];
  await learn({
    ...options,
    out: other,
    tags: learned.tags,
    onEvent: (e) => e.kind === "domain-tag" && kinds.push(e.learned),
  });
  assert.deepEqual(kinds, [false]);
  await assert.rejects(learn({ ...options, seeds: 2 }), { code: "run/changed" });
});

test("what cannot be learned is refused before anything is written", async () => {
  const out = join(folder, "refused");
  const refused = (changed: object) => learn({ data, inputs, target: "oxygens", out, ...changed });
  await assert.rejects(refused({ target: "oxigens" }), { code: "data/column", message: /oxygens/ });
  await assert.rejects(refused({ target: "label" }), {
    code: "study/data",
    message: /"label" .* is word in every row/,
  });
  await assert.rejects(refused({ inputs: [{ column: "oxygens", tag: "Chain" }] }), { code: "usage" });
  await assert.rejects(refused({ inputs: [{ column: "chain", tag: "Chain" }] }), { code: "data/column" });
  const few = join(folder, "few.csv");
  await writeFile(few, (await readFile(data, "utf8")).split("\n").slice(0, 20).join("\n"));
  await assert.rejects(refused({ data: few }), { code: "study/data", message: /19 rows/ });
  await assert.rejects(refused({ tags: join(folder, "none") }), { code: "tag/missing" });
  await assert.rejects(refused({ precision: "4bit" }), { code: "engine/precision" });
});

test("a folder of others stays as it was; one that was left before the choice is gone on with", async () => {
  const trained = join(folder, "trained");
  await mkdir(join(trained, "tags"), { recursive: true });
  for (const name of ["run.json", "study.yaml"]) await writeFile(join(trained, name), "mine");
  const refused = (out: string, code: string) =>
    assert.rejects(learn({ data, inputs, target: "oxygens", out, tags: join(folder, "none") }), { code });
  await refused(trained, "run/folder");
  assert.deepEqual((await readdir(trained)).sort(), ["run.json", "study.yaml", "tags"]);
  assert.equal(await readFile(join(trained, "study.yaml"), "utf8"), "mine");

  const left = join(folder, "left");
  await mkdir(join(left, "domains"), { recursive: true });
  await writeFile(join(left, ".trials.json.1.tmp"), "");
  await writeFile(join(left, "domains.yaml"), "name: mine\n");
  await refused(left, "run/folder");
  const study = "# Learns what the inputs are, from the training rows alone.\nname: theirs\n";
  await writeFile(join(left, "domains.yaml"), study);
  await refused(left, "tag/missing");
});

test("the probe is chosen unless another recipe is better by more than a standard error", () => {
  const tried = (length: number, bestStep: number, errors: number[]) => {
    const best = errors.reduce((sum, e) => sum + e, 0) / errors.length;
    const recipe = { length, rate: 0.1, steps: length && 60 };
    return {
      trial: { recipe, untrained: best, best, bestStep, seconds: 1 },
      errors: Float64Array.from(errors),
    };
  };
  const probe = tried(0, 0, [1, 1, 1, 1]);
  const chosen = (...others: ReturnType<typeof tried>[]) => choose([probe, ...others]);
  assert.deepEqual(chosen(tried(4, 9, [0.9, 0.8, 0.9, 0.8])).recipe, { length: 4, rate: 0.1, steps: 60 });
  assert.deepEqual(chosen(tried(4, 0, [0.9, 0.8, 0.9, 0.8])).recipe, { length: 4, rate: 0.1, steps: 0 });
  const noisy = chosen(tried(4, 9, [0, 2, 1.5, 0.4]));
  assert.equal(noisy.recipe.length, 0);
  assert.match(noisy.why, /0\.9750; the linear probe: 1\.0000, higher by 0\.0250 ± 0\.4/);
  assert.match(chosen(tried(4, 9, [1, 2, 1, 1])).why, /^none of 2 trials/);
});

test("names", () => {
  assert.deepEqual(parseInput("a:b:Tag"), { column: "a:b", tag: "Tag" });
  assert.throws(() => parseInput("smiles"), { code: "usage" });
  assert.throws(() => parseInput("smiles:"), { code: "usage" });
  assert.equal(functionTagOf("measured log(solubility:mol/L)", []), "MeasuredLogSolubilityMolL");
  assert.equal(functionTagOf("7", []), "Value7");
  assert.equal(functionTagOf("smiles", [{ column: "x", tag: "Smiles" }]), "SmilesValue");
  // Tags are files, and for some systems Logp and LogP are one.
  assert.equal(functionTagOf("logP", [{ column: "x", tag: "LOGP" }]), "LogPValue");
  const both = ["Logp", "logpvalue"].map((tag) => ({ column: "x", tag }));
  assert.equal(functionTagOf("logP", both), "LogPValue2");
});
