/** One step of a domain tag: every position after the tag is labelled, so the vocabulary head weighs much. */
import type { Benchmark, BenchOptions, BenchResult } from "./benchmark.ts";
import { contestTable, hold, type StepResult } from "./contest.ts";
import { stepShape } from "./step-shape.ts";
import type { Table } from "./table.ts";

const LENGTH = 512;
const ROWS = [1, 2, 4] as const;

export interface Stage1Result extends StepResult {
  /** Of the step. */
  readonly tokens: number;
}

/** One contest for each size of the step. */
export async function runStage1(options: BenchOptions): Promise<Stage1Result[]> {
  const results: Stage1Result[] = [];
  for (const rows of ROWS) {
    const shape = stepShape(options.config);
    const labelled = LENGTH - shape.tagStart - shape.tagVectors;
    const contest = {
      name: "stage1",
      shape: { ...shape, rows, length: LENGTH, labelled },
      ours: ["int8", "f32"],
      peers: ["f32", "bf16"],
    } as const;
    const note = (line: string) => options.note(`${rows} x ${LENGTH} tokens, ${line}`);
    results.push({ ...(await hold(contest, { ...options, note })), tokens: rows * LENGTH });
  }
  return results;
}

export function stage1Table(results: readonly Stage1Result[]): Table {
  const withTokens = (result: Stage1Result) =>
    contestTable(result).map(([what, ...rest], i) => [
      what as string,
      i === 0 ? "tokens" : String(result.tokens),
      ...rest,
    ]);
  return results.flatMap((result, i) => withTokens(result).slice(i === 0 ? 0 : 1));
}

export const stage1: Benchmark = {
  name: "stage1",
  about: `one step of a domain tag, ${ROWS.join(", ")} rows of ${LENGTH} tokens, every position after the ten vectors labelled; int8 and f32 against PyTorch in f32 and bf16`,
  anyBase: true,
  run: async (options) => {
    const results = await runStage1(options);
    const [first, ...more] = results as [Stage1Result, ...Stage1Result[]];
    return { result: { ...first, more } as BenchResult, table: stage1Table(results) };
  },
};
