/** The arithmetic behind benchmarks and verdicts, and the line protocol of measured programs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeasuredChild } from "../../bench/child.ts";
import { pairedRatios, summarise } from "../../bench/statistics.ts";
import { stepFlops, stepShape } from "../../bench/step-shape.ts";
import { markdownTable, textTable } from "../../bench/table.ts";
import { methodResult } from "../../src/study/methods.ts";
import { compareMethods } from "../../verify/studies.ts";

test("medians of odd and even counts, and ratios pair by pair", () => {
  assert.deepEqual(summarise([3, 1, 2]), { median: 2, min: 1, max: 3, all: [3, 1, 2] });
  assert.equal(summarise([4, 1, 2, 10]).median, 3);
  const ratios = pairedRatios(summarise([1, 2, 4]), summarise([3, 4, 20]));
  assert.deepEqual(ratios.all, [3, 2, 5]);
  assert.equal(ratios.median, 3);
});

test("a step's matrix products are counted as by hand", () => {
  const [rows, labels] = [8 * 256, 64];
  const [d, q, kv, ff, vocabulary] = [576, 576, 192, 1536, 49152];
  const linears = 2 * rows * (d * q + 2 * d * kv + q * d + 3 * d * ff);
  const attention = 2 * 8 * 9 * 256 * 256 * 64;
  const head = 2 * labels * d * vocabulary;
  const forward = 30 * (linears + 2 * attention) + head;
  const backward = 30 * (linears + 4 * attention) + head;
  assert.equal(stepFlops(stepShape()), forward + backward);
});

test("tables as text and as markdown", () => {
  const rows = [
    ["what", "ours"],
    ["seconds", "4.20"],
  ];
  assert.equal(textTable(rows), "what     ours\nseconds  4.20");
  assert.equal(markdownTable(rows), "| what | ours |\n|---|---:|\n| seconds | 4.20 |");
});

test("a measured program is asked line by line, and one that ends says why", async () => {
  const echo = `console.log("ready"); require("readline").createInterface({ input: process.stdin })
    .on("line", (line) => { console.log(JSON.stringify({ line })); if (line === "end") process.exit(); });`;
  const child = await MeasuredChild.start("echo", process.execPath, ["-e", echo]);
  assert.deepEqual(await child.ask("step"), { line: "step" });
  assert.deepEqual(await child.ask("end"), { line: "end" });
  await assert.rejects(child.ask("step"), /echo ended/);
  const broken = ["-e", 'console.error("no such thing"); process.exit(1)'];
  await assert.rejects(
    MeasuredChild.start("broken", process.execPath, broken),
    /broken ended: no such thing/,
  );
  await assert.rejects(MeasuredChild.start("absent", "/no/such/program", []), /absent ended: .*ENOENT/);
});

test("methods are compared by RMSE and the spread of the seeds", () => {
  const method = (name: string, ...values: number[]) =>
    methodResult(
      name,
      values.map((rmse) => ({ rmse })),
    );
  const task = {
    task: "affinity/pairs",
    target: "pkd",
    rows: { train: 1, validation: 1, test: 1 },
    dropped: [],
    quality: [],
    leakage: [],
    trimmed: [],
    methods: [
      method("function tag", 0.7, 0.8, 0.9),
      method("untrained tag", 0.85, 0.85, 0.85),
      method("mean", 1),
    ],
  };
  assert.equal(compareMethods(task, "function tag", "mean").pass, true);
  assert.equal(compareMethods(task, "function tag", "untrained tag").pass, false);
  const absent = compareMethods(task, "function tag", "linear probe");
  assert.equal(absent.pass, false);
  assert.match(absent.found, /no linear probe/);
});
