/** A real training step on polyglot-5m, for measurements of the engine. */
import { Runner, type TextStep } from "../../src/batch/runner.ts";
import type { Base } from "../../src/models/base.ts";
import { goldenLabels, goldenPath, goldenQueries, goldenVectors } from "./tag-golden.ts";
import { readGolden } from "./tensors.ts";

/** Steps over `rows` labelled prompts of about 50 tokens, all tags trained. */
export async function trainingStep(base: Base, rows: number): Promise<() => Promise<TextStep>> {
  const golden = await readGolden(goldenPath("tags-p10-isolated"));
  const vectors = goldenVectors(golden);
  const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, { reuse: "none", tokens: 1024 });
  const asked = goldenQueries(golden, true, false).filter((q) => q.prompt.target);
  const queries = Array.from({ length: rows }, (_, i) => asked[i % asked.length] as (typeof asked)[number]);
  const labels = queries.map(goldenLabels);
  const weights = new Float32Array(rows).fill(1 / labels.reduce((n, l) => n + l.length, 0));
  return () => runner.textStep(queries, labels, weights);
}
