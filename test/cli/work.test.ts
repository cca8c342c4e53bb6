/** The commands at work on a small study: what they print, what they write, and that Ctrl-C ends them in order. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { readRows } from "../../src/data/source.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import type { Expectations } from "../../src/models/expectations.ts";
import { predict } from "../../src/study/predict.ts";
import type { Report } from "../../src/study/report.ts";
import { openTags } from "../../src/tags/library.ts";
import { run, start, temporaryFolder, writeStudy } from "./command.ts";

test("--dry-run plans and writes nothing", async (t) => {
  const folder = temporaryFolder(t);
  const file = writeStudy(folder, 3);
  const text = await run(["train", file, "--dry-run", "--seed", "4", "5"], folder);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /^words on polyglot-5m \([0-9a-f]{16}\), seeds 4, 5, into runs\/words\n/);
  assert.match(text.stdout, /Nothing was run\.\n$/);
  const { stdout } = await run(["train", file, "--dry-run", "--json"], folder);
  const plan = JSON.parse(stdout) as {
    seeds: number[];
    stages: { stage: string; tasks: { rows: object }[] }[];
  };
  assert.deepEqual(plan.seeds, [1]);
  assert.deepEqual(
    plan.stages.map(({ stage }) => stage),
    ["domain", "size"],
  );
  assert.deepEqual(plan.stages[1]!.tasks[0]!.rows, { train: 24, validation: 8, test: 8 });
  assert.equal(existsSync(join(folder, "runs")), false);
});

test("inspect shows slots, spans, isolation, loss and read-out where they are", async (t) => {
  const file = writeStudy(temporaryFolder(t), 3);
  const { code, stdout } = await run(["inspect", file, "--json", "--rows", "2"]);
  assert.equal(code, 0);
  const { prompts } = JSON.parse(stdout) as { prompts: Record<string, unknown>[] };
  assert.deepEqual(
    prompts.map(({ stage }) => stage),
    ["domain", "domain", "size", "size"],
  );
  const [domain, , size] = prompts as unknown as [Inspected, Inspected, Inspected];
  const tokens = domain.ids.length - 2;
  assert.deepEqual(domain.slots, [{ tag: "Word", position: 0 }]);
  assert.deepEqual(
    domain.lossAt,
    Array.from({ length: tokens }, (_, i) => i + 2),
  );
  assert.deepEqual(size.lossAt, []);
  assert.equal(size.readout, size.ids.length - 1);
  assert.equal(size.isolate, true);
  const [span] = size.spans;
  const seen = size.firstSeen.map((first, i) => [i, first]);
  for (const [i, first] of seen as [number, number][]) {
    assert.equal(first, i >= span!.start && i < span!.end ? span!.start : 0);
  }
  assert.deepEqual(
    size.tokens.map((token, i) => (token === null ? i : -1)).filter((i) => i >= 0),
    [span!.start, span!.start + 1, size.ids.length - 2, size.ids.length - 1],
  );

  const text = await run(["inspect", file, "--stage", "size"]);
  assert.match(
    text.stdout,
    /^size\/words, data row \d+\n\d+ positions; spans isolated; loss of the head on size = \d+\n/,
  );
  assert.match(text.stdout, /<Word>\s+from \d+\s+none\s+2 vectors; span \d+-\d+, isolated\n/);
  assert.match(text.stdout, /<Size>\s+from 0\s+none\s+2 vectors; read-out at \d+\n\n/);
  assert.ok(!text.stdout.includes("\u001b"), "no colours where stdout is not a terminal");
  const unknown = await run(["inspect", file, "--stage", "siz"]);
  assert.match(unknown.stderr, /^error\[usage\]: The study has no stage "siz"\.\n {2}Did you mean "size"\?/);
});

interface Inspected {
  ids: number[];
  tokens: (string | null)[];
  slots: object[];
  spans: { start: number; end: number }[];
  lossAt: number[];
  firstSeen: number[];
  readout: number;
  isolate: boolean;
}

test("train, tags and predict agree with the library", async (t) => {
  const folder = temporaryFolder(t);
  const out = join(folder, "out");
  const trained = await run(["train", writeStudy(folder, 3), "--out", out, "--json"]);
  assert.equal(trained.code, 0, trained.stderr);
  const { report, page } = JSON.parse(trained.stdout) as { report: Report; page: string };
  assert.equal(page, join(out, "report.html"));
  assert.ok(existsSync(page));
  assert.deepEqual(report, JSON.parse(readFileSync(join(out, "report.json"), "utf8")));
  assert.match(trained.stderr, /^\[1\/2\] domain, seed 1: 3 steps/);
  assert.match(trained.stderr, /\[2\/2\] size, seed 1: done in .*, validation loss \d/);

  const { runs } = JSON.parse((await run(["runs", "list", out, "--json"])).stdout) as {
    runs: { reached: object }[];
  };
  const learned = report.stages.at(-1)?.tasks[0]?.methods.find(({ method }) => method === "function tag");
  const rmse = { metric: "rmse", mean: learned?.mean.rmse, spread: 0, seeds: 1 };
  assert.deepEqual(runs[0]?.reached, { task: report.stages.at(-1)?.tasks[0]?.task, target: "size", ...rmse });

  const library = join(out, "tags");
  const listed = await run(["tags", "list", library]);
  assert.match(
    listed.stdout,
    /^tag +kind .*\nSize +function +2 +size \(number\) +Word .*\nWord +domain +2 .*\n$/,
  );
  const shown = await run(["tags", "show", join(library, "Size.safetensors"), "--json"]);
  assert.equal(
    (JSON.parse(shown.stdout) as { template: string }).template,
    "The word <Word> {word} has the size <Size>",
  );

  const rows = (await readRows({ file: join(folder, "words.csv") })).rows;
  const base = await Base.load(defaultBase);
  t.after(() => base.close());
  const found = await predict(base, await openTags(library), "Size", rows);
  const expected = found.map(({ values }) => values.size);

  const table = ["predict", "--tag", "Size", "--tags", library, "--data", join(folder, "words.csv")];
  const json = await run([...table, "--json"]);
  assert.deepEqual(JSON.parse(json.stdout), JSON.parse(JSON.stringify({ tag: "Size", predictions: found })));
  const labelled = ["eval", library, join(folder, "words.csv"), "--tag", "Size"];
  for (const command of [table, labelled]) {
    assert.match(
      (await run([...command, "--precision", "8bit"])).stderr,
      /weights are in 8 bits: answers are/,
    );
    assert.doesNotMatch((await run(command)).stderr, /bits/);
  }
  const file = join(folder, "predicted.csv");
  assert.match((await run([...table, "--out", file])).stdout, /^40 rows with predictions: /);
  const written = (await readRows({ file })).rows;
  assert.deepEqual(
    written,
    rows.map((row, i) => ({ ...row, predicted_size: String(expected[i]), error: "" })),
  );
  const packed = join(folder, "predicted.parquet");
  const gz = join(folder, "words.csv.gz");
  writeFileSync(gz, gzipSync(readFileSync(join(folder, "words.csv"))));
  const intoParquet = await run([...table.slice(0, -1), gz, "--out", packed]);
  assert.equal(intoParquet.code, 0, intoParquet.stderr);
  const numbers = await readRows({
    file: packed,
    select: { word: "word", size: "size", close: `round(predicted_size::DOUBLE, 4)`, error: "error" },
  });
  assert.deepEqual(
    numbers.rows.map((row) => [row.word, row.size, Number(row.close), row.error]),
    rows.map((row, i) => [row.word, row.size, Math.round((expected[i] as number) * 1e4) / 1e4, ""]),
  );
  const again = await run(["predict", "--tag", "Size", "--tags", library, "--data", packed]);
  assert.match(again.stderr, /^error\[data\/duplicate-column\]: .* already has a column "predicted_size"/);
  const capitals = join(folder, "capitals.csv");
  writeFileSync(capitals, readFileSync(join(folder, "words.csv"), "utf8").replace("size", "Error"));
  const clash = await run([...table.slice(0, -1), capitals, "--out", packed]);
  assert.match(clash.stderr, /^error\[data\/duplicate-column\]: .* both columns "Error" and "error"/);
  const beside = await run(["predict", "--tag", join(library, "Size"), "--field", "word=a"]);
  assert.equal(beside.code, 0, beside.stderr);

  const one = await run([
    "predict",
    "--tag",
    join(library, "Size.safetensors"),
    "--field",
    `word=${rows[0]!.word}`,
  ]);
  assert.match(one.stdout, /^size {2}-?\d+\.\d+/);
  assert.ok(Math.abs(Number.parseFloat(one.stdout.slice(6)) - (expected[0] as number)) < 1e-3);
  const long = [
    "predict",
    "--tag",
    "Size",
    "--tags",
    library,
    "--field",
    `word=${"CNOS".repeat(400)}`,
    "--json",
  ];
  const cut = await run(long);
  assert.match(cut.stderr, /^The row was cut by \d+ tokens to fit the base\.\n$/);
  const [{ trimmed }] = (JSON.parse(cut.stdout) as { predictions: [{ trimmed: { field: string }[] }] })
    .predictions;
  assert.deepEqual(
    trimmed.map(({ field }) => field),
    ["word"],
  );
  const holes = join(folder, "holes.jsonl");
  writeFileSync(holes, '{"word":"CC"}\n{"word":""}\n{"word":"COC"}\n');
  const marked = join(folder, "marked.jsonl");
  const asked = ["predict", "--tag", "Size", "--tags", library, "--data", holes, "--out", marked];
  const kept = await run(asked);
  assert.equal(kept.code, 0, kept.stderr);
  assert.match(kept.stderr, /1 of 3 rows have no prediction \(rows 2\)/);
  const lines = readFileSync(marked, "utf8")
    .trim()
    .split("\n")
    .map((l) => JSON.parse(l) as Record<string, unknown>);
  assert.deepEqual(
    lines.map((l) => [l.word, typeof l.predicted_size, l.error === null]),
    [
      ["CC", "number", true],
      ["", "object", false],
      ["COC", "number", true],
    ],
  );
  const strict = await run([...asked.slice(0, -1), join(folder, "strict.csv"), "--strict"]);
  assert.match(strict.stderr, /^error\[prompts\/empty-field\]: Row 2: /);
  assert.equal(existsSync(join(folder, "strict.csv")), false);
  const wrong = await run(["predict", "--tag", join(library, "Size.safetensors"), "--field", "wrd=C"]);
  assert.match(wrong.stderr, /^error\[prompts\/unknown-field\][\s\S]*Did you mean "wrd"\?/);
  const domain = await run(["predict", "--tag", join(library, "Word.safetensors"), "--field", "word=C"]);
  assert.match(domain.stderr, /^error\[predict\/not-a-function\]/);
});

test("an existing run folder is not overwritten", async (t) => {
  const folder = temporaryFolder(t);
  const file = writeStudy(folder, 1);
  writeFileSync(join(folder, "mine.txt"), "precious");
  const { code, stderr } = await run(["train", file, "--out", folder]);
  assert.equal(code, 1);
  assert.match(stderr, /^error\[run\/folder\]: .* holds mine\.txt, .* and no run\.json /);
  assert.equal(readFileSync(join(folder, "mine.txt"), "utf8"), "precious");
});

test("the first Ctrl-C saves the run, ends it in order and says how to go on", async (t) => {
  const folder = temporaryFolder(t);
  const file = writeStudy(folder, 100_000);
  const out = join(folder, "out");
  const { child, ended, says } = start(["train", file, "--out", out, "--json"]);
  await says("domain, seed 1: 100000 steps");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  child.kill("SIGINT");
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 130, stderr);
  assert.match(stderr, /Stopping after this step\. Press Ctrl-C again to stop now\.\n/);
  assert.match(
    stderr,
    /interrupted: The run in .* was stopped and saved\.\n {2}The same command goes on from here\.\n$/,
  );
  assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, "aborted");
  const events = readFileSync(join(out, "events.jsonl"), "utf8");
  for (const line of events.trimEnd().split("\n")) JSON.parse(line);
});

test("doctor finds this machine in order, with or without a GPU", async () => {
  const { code, stdout, stderr } = await run(["doctor", "--json"]);
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: { name: string; state: string }[] };
  assert.equal(ok, true, stdout);
  assert.equal(code, 0);
  assert.match(stderr, /^(checking .*\n)*$/); // progress, where it takes longer than 20 s
  const states = Object.fromEntries(checks.map(({ name, state }) => [name, state]));
  const { webgpu, ...others } = states;
  assert.ok(webgpu === "ok" || webgpu === "absent");
  const names = ["node", "platform", "onnxruntime", "duckdb", "embedded base", "memory", "cores"];
  assert.deepEqual(others, Object.fromEntries(names.map((name) => [name, "ok"])));
});

test("model info says what the embedded base is", async () => {
  const { stdout } = await run(["model", "info", "--json"]);
  const info = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(info.parameters, 5_475_584);
  assert.equal(info.weightBytes, 5_475_584 * 4);
  assert.deepEqual(info.dtypes, ["BF16"]);
  assert.equal((info.fingerprint as { name: string }).name, "polyglot-5m");
  const { read, train, gflops } = info.expected as Expectations;
  assert.ok(train.bytes > read.bytes && read.bytes > 5_475_584 * 4, stdout);
  assert.ok(read.tokensPerSecond > train.tokensPerSecond && train.tokensPerSecond > 0 && gflops > 0, stdout);
});
