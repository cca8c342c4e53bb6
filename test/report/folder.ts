/** A finished run written by hand: a stage with a number, a class and a text, two seeds, no tags. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** The files of a run as values: JSON, or a list of JSON lines. */
export type RunFiles = Record<string, unknown>;

export function writeRun(t: TestContext, files: RunFiles): string {
  const folder = mkdtempSync(join(tmpdir(), "report-"));
  t.after(() => rmSync(folder, { recursive: true }));
  rewrite(folder, files);
  return folder;
}

export function rewrite(folder: string, files: RunFiles): void {
  for (const [name, value] of Object.entries(files)) {
    const lines = name.endsWith("l") ? (value as unknown[]) : [value];
    writeFileSync(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }
}

const seeds = [1, 2];
const rows = [0, 1, 2, 3, 4, 5];

/** `groupOf` and `classOf` of the six test rows. */
export function smallRun(
  groupOf: (row: number) => number = (row) => row,
  classOf: (row: number) => string = (row) => (row % 2 ? "odd" : "even"),
): RunFiles {
  const predictions = seeds.flatMap((seed) =>
    rows.flatMap((row) => {
      const place = { seed, stage: "s", row, group: groupOf(row), fields: { text: `text ${row}` } };
      const even = 0.5 + 0.05 * seed;
      return [
        { ...place, task: "s/numbers", target: "size", truth: row, predicted: row + 0.1 * seed * (row % 3) },
        {
          ...place,
          task: "s/classes",
          target: "kind",
          truth: classOf(row),
          predicted: "even",
          probabilities: { even, odd: 1 - even },
        },
      ];
    }),
  );
  const losses = seeds.flatMap((seed) =>
    rows.map((row) => ({
      ...{ seed, stage: "s", task: "s/texts", row, group: groupOf(row) },
      ...{ nats: 2 + row / seed, tokens: 3, truth: "a word", said: row % 2 ? "a word" : "words" },
    })),
  );
  const events = seeds.flatMap((seed) => [
    { kind: "stage-begin", stage: "s", seed, steps: 2, reuse: "all", from: 0 },
    { kind: "step", stage: "s", seed, steps: 2, step: 1, loss: 2, gradientNorm: 1 },
    { kind: "validation", stage: "s", seed, steps: 2, step: 1, loss: 1.5 },
    { kind: "stage-end", stage: "s", seed, seconds: 1, bestStep: 1, bestLoss: 1.5 },
  ]);
  return {
    "report.json": report(),
    "predictions.jsonl": predictions,
    "losses.jsonl": losses,
    "events.jsonl": events,
    "run.json": { study: { name: "small" } },
    "study.resolved.json": { name: "small", about: "By hand.", base: "lab/base", tags: { Size: {} } },
  };
}

const method = (name: string, ...perSeed: Record<string, number | null>[]) => {
  const same = (of: (value: number | null) => number | null) =>
    Object.fromEntries(Object.entries(perSeed[0] ?? {}).map(([metric, value]) => [metric, of(value)]));
  return { method: name, perSeed, mean: same((v) => v), spread: same((v) => (v === null ? null : 0.1)) };
};

const sides = { train: 20, validation: 6, test: 6 };
const leak = {
  ...{ of: 6, same: 1, rewritten: 0, near: null, nearChecked: 0, scaffold: null },
  examples: [{ row: 3, like: 4 }],
};

const task = (name: string, target: string | null, methods: unknown[]) => ({
  ...{ task: name, target, rows: sides, dropped: [{ reason: "it is empty", rows: 1 }], methods },
  quality: [{ kind: "fault", what: "it is empty", rows: 1, first: [7], handled: "dropped" }],
  leakage: [{ fields: ["text"], readAs: "text", test: leak, validation: leak }],
  trimmed: [{ field: "text", prompts: 1, tokens: 9 }],
});

function report(): Record<string, unknown> {
  const classes = (rocAuc: number | null) => ({ rocAuc, accuracy: 0.5 });
  return {
    ...{ format: "tagllm-report", version: 1, created: "2026-01-02T03:04:05.678Z", tagllm: "0.1.0" },
    study: { name: "small", file: "study.yaml", sha256: "ab".repeat(32) },
    base: {
      ...{ name: "base", architecture: "llama", hiddenSize: 8, layers: 1, vocabSize: 9 },
      ...{ tokenizer: "aa", weights: "bb", id: "0123456789abcdef" },
    },
    machine: { platform: "linux", cpu: "a processor", cores: 2, node: "v20.0.0" },
    seeds,
    data: [
      {
        ...{ name: "rows", rows: sides, seen: { train: 0, validation: 0, test: 0 } },
        files: [{ path: "rows.csv", sha256: "cd".repeat(32), bytes: 99 }],
        leaks: [{ column: "text", test: { shared: 1, of: 6 } }],
      },
    ],
    stages: [
      {
        ...{ stage: "s", trained: ["Size"] },
        seeds: seeds.map((seed) => ({
          ...{ seed, steps: 2, learningRate: 0.1, bestStep: 1, seconds: 1 },
          ...{ firstValidationLoss: 2, bestValidationLoss: 1.5 },
        })),
        tasks: [
          task("s/numbers", "size", [
            method("mean", { rmse: 2, pearson: null }),
            method("function tag", { rmse: 0.2, pearson: 0.9 }, { rmse: 0.3, pearson: 0.9 }),
          ]),
          task("s/classes", "kind", [
            method("class shares", classes(null)),
            method("function tag", classes(null), classes(null)),
          ]),
          task("s/texts", "said", [method("function tag", { nats: 1, chrf: 9 }, { nats: 1, chrf: 9 })]),
        ],
      },
    ],
    warnings: ["Something to read first."],
    seconds: 3,
  };
}
