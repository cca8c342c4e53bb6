/** Tags scored on tables: the numbers are those of the run on its own test rows, and every doubtful row is told. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { readRows } from "../../src/data/source.ts";
import { classificationMetrics } from "../../src/evaluate/classification.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { describeRun } from "../../src/report/document.ts";
import { evaluateTag } from "../../src/study/evaluate.ts";
import type { EvaluateOptions, Evaluation } from "../../src/study/evaluation.ts";
import { loadStudy } from "../../src/study/load.ts";
import { predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import type { Report } from "../../src/study/report.ts";
import { runStudy } from "../../src/study/run.ts";
import { openTags } from "../../src/tags/library.ts";
import type { Tag } from "../../src/tags/tag.ts";
import { run } from "../cli/command.ts";

let base: Base;
let folder: string;
let report: Report;
let tags: Map<string, Tag>;
/** The test rows of the run, as a table of their own. */
let held: string[];

const header = "text,oxygens,length,kind";

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "evaluate-"));
  const lines = Array.from({ length: 150 }, (_, i) => {
    const text = Array.from({ length: 4 + (i % 7) }, (_, k) => "CNO"[(i * (k + 3) + ((i * i) % 5)) % 3]).join(
      "",
    );
    const oxygens = [...text].filter((c) => c === "O").length;
    return `${text},${oxygens},${text.length},${oxygens > 2 ? "many" : "few"}`;
  });
  await writeFile(join(folder, "rows.csv"), `${header}\n${lines.join("\n")}\n`);
  await writeFile(
    join(folder, "study.yaml"),
    `name: small
data: { rows: { file: rows.csv, split: { test: 30, validation: 40 } } }
tags:
  Chain: { kind: domain, length: 2 }
  Count: { kind: function, answer: number, length: 2, init: { noise: 0.3 } }
  Kind: { kind: function, answer: class, length: 2, init: { noise: 0.3 } }
  Say: { kind: function, answer: text, length: 2 }
stages:
  - { name: domain, train: [Chain], steps: 2, batch: 4, tasks: [{ data: rows, template: "<Chain> {text}" }] }
  - { name: count, train: [Count], steps: 2, batch: 4, tasks: [{ data: rows, template: "<Chain> {text} has <Count>", target: [oxygens, length] }] }
  - { name: kind, train: [Kind], steps: 2, batch: 4, tasks: [{ data: rows, template: "<Chain> {text} is <Kind>", target: kind }] }
  - { name: say, train: [Say], steps: 20, batch: 4, rate: 0.3, answers: { tokens: 6 }, tasks: [{ data: rows, template: "<Chain> {text} is <Say> {kind}", target: kind }] }
`,
  );
  const prepared = await prepareStudy(await loadStudy(join(folder, "study.yaml")), base);
  report = await runStudy(prepared, { out: join(folder, "run") });
  tags = await openTags(join(folder, "run", "tags"));
  held = [...prepared.sources.get("rows")!.sides.test].map((i) => lines[i]!);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

async function evaluated(
  tag: string,
  lines: readonly string[],
  options: EvaluateOptions = {},
  { file = "new.csv", columns = header } = {},
): Promise<Evaluation> {
  await writeFile(join(folder, file), `${columns}\n${lines.join("\n")}\n`);
  const table = await readRows({ file: join(folder, file) });
  return evaluateTag(base, tags, tag, table, { resamples: 100, answerTokens: 6, ...options });
}

const reported = (stage: string, target: string | null, method: string) =>
  report.stages
    .find((s) => s.stage === stage)
    ?.tasks.find((t) => t.target === target)
    ?.methods.find((m) => m.method === method)?.mean ?? {};

function assertSame(found: Evaluation["outputs"][number]["metrics"], expected: Record<string, number>): void {
  for (const [name, value] of Object.entries(expected)) {
    const { value: own, low, high } = found[name] ?? assert.fail(name);
    assert.ok(Math.abs(own! - value) < 2e-3 * Math.max(1, Math.abs(value)), `${name}: ${own}, not ${value}`);
    assert.ok(low! <= own! && own! <= high!, `${name}: ${low} ${own} ${high}`);
  }
}

test("on the test rows of the run every kind of tag has the numbers of the report", async () => {
  const count = await evaluated("Count", held);
  assert.deepEqual([count.answer, count.rows, count.scored, count.failed], ["number", 30, 30, []]);
  assert.deepEqual(
    count.outputs.map((o) => o.output),
    ["oxygens", "length"],
  );
  for (const { output, metrics } of count.outputs)
    assertSame(metrics, reported("count", output, "function tag"));
  const kind = await evaluated("Kind", held);
  assertSame(kind.outputs[0]!.metrics, reported("kind", "kind", "function tag"));
  const say = await evaluated("Say", held);
  const ofSay = reported("say", null, "function tag");
  assertSame(say.outputs[0]!.metrics, ofSay);
  const { stages } = await describeRun(join(folder, "run"), "no base");
  const { intervals } = stages.find(({ stage }) => stage === "say")!.tasks[0]!;
  for (const name of ["nats", "exactMatch", "bleu", "chrf"])
    assert.ok(Math.abs(intervals[name]!.value - ofSay[name]!) < 1e-9, name);
  const chain = await evaluated("Chain", held, { targets: ["text"] });
  assertSame(chain.outputs[0]!.metrics, reported("domain", null, "domain tag"));
  const { method, metrics } = chain.outputs[0]!.baseline!;
  assertSame(metrics, reported("domain", null, method));
  const plain = report.stages[0]!.tasks[0]!.methods.filter((m) => m.method.startsWith("no tag"));
  const best = Math.min(...plain.map((m) => m.mean.bitsPerCharacter!));
  assert.equal(reported("domain", null, method).bitsPerCharacter, best);
});

test("without reuse every kind of tag runs otherwise, with the same numbers", async (t) => {
  const specs: string[] = [];
  const run = base.run.bind(base);
  t.mock.method(base, "run", (...[spec, ...rest]: Parameters<Base["run"]>) => {
    specs.push(JSON.stringify(spec));
    return run(spec, ...rest);
  });
  for (const tag of ["Chain", "Count", "Kind", "Say"]) {
    const options = tag === "Chain" ? { targets: ["text"] } : {};
    specs.length = 0;
    const usual = await evaluated(tag, held, options);
    const needed = specs.splice(0);
    const plain = await evaluated(tag, held, { ...options, reuse: "none" });
    assert.ok(!specs.some((spec) => needed.includes(spec)), `${tag}: ${specs[0]}`);
    for (const [i, { metrics }] of usual.outputs.entries())
      for (const [name, { value }] of Object.entries(metrics)) {
        const own = plain.outputs[i]?.metrics[name]?.value ?? assert.fail(name);
        assert.ok(Math.abs(own - (value as number)) < 1e-3 * Math.max(1, Math.abs(value as number)), name);
      }
  }
});

test("coverage, exact matches and unlike rows are those of the tag's own answers", async () => {
  const rows = held.map((line) => ({ text: line.split(",")[0]!, truth: line.split(",") }));
  const answers = await predict(
    base,
    tags,
    "Count",
    rows.map(({ text }) => ({ text })),
  );
  const { outputs, outOfDomain } = await evaluated("Count", held);
  outputs.forEach(({ output, coverage }, k) => {
    const inside = answers.filter(({ intervals }, i) => {
      const [low, high] = intervals![output!]!;
      const truth = Number(rows[i]!.truth[k + 1]);
      return low <= truth && truth <= high;
    });
    assert.equal(coverage!.held, inside.length);
    assert.equal(coverage!.promised, 0.9);
    assert.equal(coverage!.share.value, inside.length / rows.length);
  });
  assert.equal(outOfDomain, answers.filter((a) => a.outOfDomain).length);
  const strange = await evaluated("Count", ["The quick brown fox,1,2,few", "ΑΒΓΔ 1234 ΕΖΗ,1,2,few"]);
  assert.equal(strange.outOfDomain, 2);
  const said = await predict(
    base,
    tags,
    "Say",
    rows.map(({ text }) => ({ text })),
    { answerTokens: 6 },
  );
  const right = said.filter((s, i) => s.values.kind === rows[i]!.truth[3]).length;
  const say = await evaluated("Say", held);
  assert.equal(say.outputs[0]!.metrics.exactMatch!.value, right / rows.length);
});

test("the baseline knows this table's targets and nothing else", async () => {
  const { outputs } = await evaluated("Count", held);
  const { method, metrics } = outputs[0]!.baseline!;
  assert.equal(method, "mean of this table");
  assert.ok(Math.abs(metrics.r2!.value!) < 1e-12);
  assert.deepEqual([metrics.ci!.value, metrics.pearson!.value], [0.5, null]);
  const kind = await evaluated("Kind", held);
  const truth = Int32Array.from(held, (l) => (l.endsWith("many") ? 1 : 0));
  const share = truth.reduce((a, b) => a + b, 0) / truth.length;
  const { rows: _, ...expected } = classificationMetrics(
    truth,
    Float64Array.from([...truth].flatMap(() => [1 - share, share])),
  );
  assertSame(kind.outputs[0]!.baseline!.metrics, expected);
  const say = await evaluated("Say", held);
  const commonest = share > 0.5 ? "many" : "few";
  assert.equal(say.outputs[0]!.baseline!.method, `always "${commonest}"`);
  assert.equal(say.outputs[0]!.baseline!.metrics.exactMatch!.value, Math.max(share, 1 - share));
});

test("rows that cannot be scored are told by reason, what is not defined is null", async () => {
  const bad = ["CCO,,3,few", "CCO,many,3,few", ",1,3,few", "CCO,1,3,none"];
  const count = await evaluated("Count", [...held.slice(0, 5), ...bad]);
  assert.equal(count.scored, 6);
  const told = Object.fromEntries(count.failed.map((f) => [f.reason, f.rows]));
  assert.deepEqual(told["oxygens is empty"], [5]);
  assert.equal(Object.values(told).flat().length, 3);
  assert.ok(
    Object.keys(told).some((reason) => reason.includes('"text"')),
    JSON.stringify(told),
  );
  const few = held.filter((l) => l.endsWith("few"));
  const kind = await evaluated("Kind", [...few, ...bad]);
  assert.ok(kind.failed.some((f) => f.reason.includes('"none"') && f.rows.includes(few.length + 3)));
  assert.deepEqual(kind.outputs[0]!.metrics.rocAuc, { value: null, low: null, high: null });
  assert.doesNotMatch(JSON.stringify(kind), /NaN|Infinity/);
});

test("other names of columns, seen rows, and the file that the tag was made from", async () => {
  const columns = "text,b,a,kind";
  const named = await evaluated("Count", held, { targets: ["b", "a"] }, { columns });
  assert.deepEqual(named.outputs[0]!.metrics, (await evaluated("Count", held)).outputs[0]!.metrics);
  assert.deepEqual([named.seen, named.usedInTraining], [null, false]);
  const seen = await evaluated("Count", held, {}, { file: "zinc_qed_30k.csv" });
  assert.equal(seen.seen, held.length);
  const own = await readRows({ file: join(folder, "rows.csv") });
  assert.equal((await evaluateTag(base, tags, "Kind", own, { resamples: 10 })).usedInTraining, true);
});

test("what cannot be evaluated is refused with the reason", async () => {
  const refused: [tag: string, lines: string[], options: EvaluateOptions, code: string, says: RegExp][] = [
    ["Count", held, { targets: ["oxygens"] }, "study/data", /"oxygens", "length"; there are 1/],
    ["Count", held, { targets: ["oxigens", "length"] }, "data/column", /mean --target oxygens/],
    ["Chain", held, {}, "study/data", /domain tag/],
    ["Count", ["CCO,,,few", "CO,x,1,few"], {}, "study/data", /1 rows: oxygens is empty/],
    ["Kind", ["CCO,1,3,none"], {}, "study/data", /does not know: "none"/],
    ["Nothing", held, {}, "tag/unknown", /Nothing/],
  ];
  for (const [tag, lines, options, code, says] of refused) {
    await assert.rejects(evaluated(tag, lines, options), (error: Error & { code?: string }) => {
      assert.equal(error.code, code);
      assert.match(error.message, says);
      return true;
    });
  }
});

test("a tag of another base is refused, whatever it answers", async () => {
  for (const name of ["Chain", "Count", "Say"]) {
    const foreign = { ...tags.get(name)!, base: { ...base.fingerprint, weights: "0".repeat(64) } };
    const table = await readRows({ file: join(folder, "rows.csv") });
    const options = name === "Chain" ? { targets: ["text"] } : {};
    await assert.rejects(evaluateTag(base, new Map([...tags, [name, foreign]]), name, table, options), {
      code: "tag/wrong-base",
    });
  }
});

test("the command prints the table, and the same as JSON", async () => {
  await writeFile(join(folder, "new.csv"), `${header}\n${held.join("\n")}\nCCO,,3,few\n`);
  const words = ["eval", join(folder, "run", "tags"), join(folder, "new.csv"), "--tag", "Count"];
  const { code, stdout } = await run(words);
  assert.equal(code, 0);
  assert.match(stdout, /^Count on .*new\.csv: 30 of 31 rows scored/);
  assert.match(stdout, /\noxygens +value +95 % interval +mean of this table\nRMSE +\d/);
  assert.match(stdout, /\n90 % intervals \(mean width [\d.]+\) hold the truth of \d+ rows: /);
  assert.match(stdout, /! 1 rows not scored: oxygens is empty \(rows 31\)/);
  const json = await run([...words, "--json"]);
  const parsed = JSON.parse(json.stdout) as Evaluation & { data: string };
  assert.equal(basename(parsed.data), "new.csv");
  assert.ok(parsed.outputs[1]!.metrics.mse!.value! > 0);
  const open = await run(words.slice(0, 3));
  assert.match(open.stderr, /3 function tags: Count, Kind, Say.*\n {2}.*--tag NAME/);
  assert.equal(open.code, 2);
});
