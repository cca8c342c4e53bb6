/**
 * The study examples/domains trained as it is or in part, and its tags read back. Its data come in twos: NAME
 * trains a tag, NAME_unseen is only scored, by rows that neither the tag nor the base has met.
 */
import { join } from "node:path";
import { Runner } from "../src/batch/runner.ts";
import { withBase } from "../src/cli/open-study.ts";
import type { Progress } from "../src/cli/progress.ts";
import type { Base } from "../src/models/base.ts";
import { defaultBase } from "../src/models/default-base.ts";
import { type LiveTag, readEmbeddings, startTags } from "../src/study/live.ts";
import { loadStudy } from "../src/study/load.ts";
import { type PreparedStudy, prepareStudy } from "../src/study/prepare.ts";
import type { Report } from "../src/study/report.ts";
import type { Source } from "../src/study/sources.ts";
import type { PreparedTask, TaskRow } from "../src/study/tasks.ts";
import { loadTag } from "../src/tags/file.ts";
import { exampleFile, runPreparedStudy } from "./studies.ts";

const UNSEEN = "_unseen";

export interface TrainedDomain {
  readonly tag: string;
  readonly task: PreparedTask;
  /** [length, width] */
  readonly trained: Float32Array;
  readonly untrained: Float32Array;
  /** Rows of NAME_unseen whose text is in no row of NAME. */
  readonly unseen: readonly TaskRow[];
  readonly held: Source;
}

export interface TrainedDomains {
  readonly base: Base;
  readonly report: Report;
  readonly domains: readonly TrainedDomain[];
}

/** Trains the tags of the named stages, of all by default, and hands them to `work` while the base is open. */
export async function withDomains<T>(
  { out, progress, stages }: { out: string; progress: Progress; stages?: readonly string[] },
  work: (trained: TrainedDomains) => Promise<T>,
): Promise<T> {
  const loaded = await loadStudy(exampleFile("domains"));
  const chosen = loaded.study.stages.filter((s) => stages?.includes(s.name) ?? true);
  const sources = chosen.flatMap((s) => s.tasks.flatMap((t) => [t.data, t.data + UNSEEN]));
  const data = Object.fromEntries(
    Object.entries(loaded.study.data).filter(([name]) => sources.includes(name)),
  );
  const part = { ...loaded, study: { ...loaded.study, stages: chosen, data } };
  return withBase(defaultBase, {}, { progress }, async (base) => {
    const prepared = await prepareStudy(part, base);
    const report = await runPreparedStudy(prepared, out, progress);
    const seed = part.study.seeds[0] as number;
    const fresh = startTags(prepared, await readEmbeddings(base), seed);
    const domains: TrainedDomain[] = [];
    for (const { stage, tasks } of prepared.stages) {
      const tag = stage.train[0] as string;
      const task = tasks[0] as PreparedTask;
      const { vectors } = await loadTag(join(out, "tags", `${tag}.safetensors`));
      const untrained = (fresh.get(tag) as LiveTag).vectors;
      const held = heldSource(prepared, task);
      domains.push({ tag, task, trained: vectors, untrained, held, unseen: unseenRows(task.source, held) });
    }
    return work({ base, report, domains });
  });
}

export const runnerWith = (base: Base, vectors: Float32Array): Runner =>
  new Runner(base, () => vectors, { reuse: "none", tokens: 512 });

/** Rows of the base's pretraining text, on all sides. */
export const seenRows = ({ seen }: Source): number => seen.train + seen.validation + seen.test;

function heldSource({ sources }: PreparedStudy, { spec }: PreparedTask): Source {
  const held = sources.get(spec.data + UNSEEN);
  if (!held) throw new Error(`examples/domains/study.yaml has no data ${spec.data + UNSEEN}`);
  if (seenRows(held)) throw new Error(`the base was pretrained on ${seenRows(held)} rows of ${held.name}`);
  return held;
}

function unseenRows(source: Source, held: Source): TaskRow[] {
  const text = (row: Record<string, string>) => JSON.stringify(Object.values(row));
  const trained = new Set(source.table.rows.map(text));
  return held.table.rows.flatMap((fields, i) =>
    trained.has(text(fields))
      ? []
      : [{ fields, rowNumber: held.table.rowNumbers[i] as number, group: i, numbers: [], label: null }],
  );
}
