/** A loaded study meets its base and its data: everything that can fail is found before training begins. */

import { BlockFiles } from "../batch/block-files.ts";
import { BlockNames } from "../batch/blocks.ts";
import { layOut, type Reuse } from "../batch/layout.ts";
import { Runner, type RunnerOptions } from "../batch/runner.ts";
import { BlockStore, positionBytes } from "../batch/store.ts";
import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import { quote } from "../suggest.ts";
import type { Tag } from "../tags/tag.ts";
import { classesOf, withoutUnknown } from "./classes.ts";
import { givenTags } from "./given.ts";
import type { LoadedStudy } from "./load.ts";
import type { StudyStage } from "./schema.ts";
import { readSources, type Side, type Source } from "./sources.ts";
import { hasHead, type PreparedTask, prepareTask, queryOf, requireRows, type TaskKind } from "./tasks.ts";

export interface PreparedStage {
  readonly stage: StudyStage;
  readonly kind: TaskKind;
  readonly tasks: readonly PreparedTask[];
  /** What a stage with the answer `class` tells apart, in the order of its head's outputs; null for others. */
  readonly classes: readonly string[] | null;
}

export interface PreparedStudy {
  readonly loaded: LoadedStudy;
  readonly base: Base;
  /** Tags that the study takes from files, by its own names. @internal */
  readonly given: ReadonlyMap<string, Tag>;
  /** @internal */
  readonly sources: ReadonlyMap<string, Source>;
  /** @internal */
  readonly stages: readonly PreparedStage[];
}

/**
 * Reads tags and data, divides it, binds templates and compiles one prompt of each task, all where answers are text and may be
 * too long. Nothing is run or written.
 *
 * @throws tag/*, data/*, study/data, study/rows, study/invalid, prompts/*, model/seen
 */
export async function prepareStudy(loaded: LoadedStudy, base: Base): Promise<PreparedStudy> {
  const { study } = loaded;
  const given = await givenTags(loaded, base);
  const sources = await readSources(loaded, base.folder);
  const stages = study.stages.map((stage): PreparedStage => {
    const tasks = stage.tasks.map((spec) =>
      prepareTask(study, stage, spec, sources.get(spec.data) as Source, base),
    );
    const kind = stageKind(stage, tasks);
    const classes = kind === "class" ? classesOf(stage.name, tasks) : null;
    return { stage, kind, classes, tasks: classes ? tasks.map((t) => withKnown(t, classes)) : tasks };
  });
  for (const { tasks } of stages) {
    for (const task of tasks) {
      const first = task.rows.train[0];
      if (first && task.kind !== "text") task.compiler.compile(first, { withTarget: false });
    }
  }
  return { loaded, base, given, sources, stages };
}

function withKnown(task: PreparedTask, classes: readonly string[]): PreparedTask {
  const known = withoutUnknown(task, classes);
  requireRows(known);
  return known;
}

function stageKind(stage: StudyStage, tasks: readonly PreparedTask[]): TaskKind {
  const kinds = [...new Set(tasks.map((t) => t.kind))];
  const outputs = new Set(tasks.map((t) => t.targets.length));
  if (kinds.length > 1 || outputs.size > 1) {
    const found = tasks.map((t) => `${t.name}: ${t.kind}, ${t.targets.length} target(s)`).join("; ");
    throw new TagllmError(
      "study/invalid",
      `Stage ${quote(stage.name)} mixes tasks of different kinds (${found}).`,
      "All tasks of a stage learn text of domains, or all answer text, or all the same numbers.",
    );
  }
  const kind = kinds[0] as TaskKind;
  const asked = [...new Set(tasks.map((t) => t.functionTag))];
  if (hasHead(kind) && asked.length > 1) {
    throw new TagllmError(
      "study/invalid",
      `Stage ${quote(stage.name)} asks ${asked.map((tag) => `<${tag}>`).join(" and ")}, and trains one head.`,
      "Give each of these function tags a stage of its own.",
    );
  }
  return kind;
}

/** What a stage keeps of its prompts between steps, and how many bytes of keys and values that is. */
export interface Stored {
  readonly reuse: Reuse;
  readonly bytes: number;
}

const nothing: Stored = { reuse: "none", bytes: 0 };

export interface StagePlan {
  readonly stage: string;
  readonly kind: TaskKind;
  readonly trains: readonly string[];
  readonly steps: number;
  readonly batch: number;
  readonly stored: Stored;
  readonly tasks: readonly {
    readonly task: string;
    readonly rows: Record<Side, number>;
    readonly dropped: number;
    /** Mean positions of a prompt. */
    readonly tokens: number;
  }[];
}

/** What a run will do, from the rows and prompts at hand; nothing is run. */
export function planStudy(prepared: PreparedStudy, reuse: "auto" | "none" = "auto"): StagePlan[] {
  return prepared.stages.map(({ stage, kind, tasks, classes }) => ({
    stored: reuse === "none" ? nothing : chooseReuse(prepared, { stage, kind, tasks, classes }),
    stage: stage.name,
    kind,
    trains: stage.train,
    steps: stage.steps,
    batch: stage.batch,
    tasks: tasks.map((task) => {
      const { train, validation, test } = task.rows;
      const sample = train.slice(0, 200);
      const lengths = sample.map(
        (row) => task.compiler.compile(row, { withTarget: task.kind === "text" }).ids.length,
      );
      return {
        task: task.name,
        rows: { train: train.length, validation: validation.length, test: test.length },
        dropped: task.dropped.reduce((n, d) => n + d.rows.length, 0),
        tokens: Math.round(lengths.reduce((n, l) => n + l, 0) / Math.max(1, lengths.length)),
      };
    }),
  }));
}

/**
 * The deepest reuse whose stored keys and values fit the memory: prefixes, else spans, else none. Where the
 * tags of the prompt's beginning train, nothing is constant and nothing is stored.
 */
function chooseReuse({ base, loaded }: PreparedStudy, { stage, kind, tasks }: PreparedStage): Stored {
  if (kind === "domain") return nothing;
  const trained = new Set(stage.train);
  const names = new BlockNames(base.architecture, vectorsByName());
  const sizes = { span: new Map<string, number>(), text: new Map<string, number>() };
  for (const task of tasks) {
    for (const row of [...task.rows.train, ...task.rows.validation, ...task.rows.test]) {
      const prompt = task.compiler.compile(row, { withTarget: false });
      const layout = layOut(queryOf(prompt, task.isolate, trained), "prefix");
      layout.past.forEach(({ kind, positions }, b) => {
        sizes[kind].set(names.of(layout, b), positions.length);
        // The linear probe is asked without the tag: its text ends a position earlier and is stored beside this one.
        const last = kind === "text" && positions.at(-1) === layout.query.cut - 1;
        if (last && hasHead(task.kind)) sizes.text.set(`${names.of(layout, b)} probe`, positions.length - 1);
      });
    }
  }
  const bytes = (of: ReadonlyMap<string, number>) =>
    [...of.values()].reduce((n, t) => n + t, 0) * positionBytes(base);
  const limit = (loaded.study.memory + loaded.study.disk) * 1e9;
  const [spanBytes, all] = [bytes(sizes.span), bytes(sizes.span) + bytes(sizes.text)];
  if (all <= limit) return { reuse: "prefix", bytes: all };
  return spanBytes > 0 && spanBytes <= limit ? { reuse: "spans", bytes: spanBytes } : nothing;
}

/** What stands for a tag's vectors where blocks are only told apart. */
function vectorsByName(): (tag: string) => Float32Array {
  const made = new Map<string, Float32Array>();
  return (tag) => {
    const vectors = made.get(tag) ?? Float32Array.from(tag, (c) => c.codePointAt(0) as number);
    made.set(tag, vectors);
    return vectors;
  };
}

/** The store of a study's runs: as much memory and disk as the study gives. */
export async function makeStore({ base, loaded: { study } }: PreparedStudy): Promise<BlockStore> {
  const files = study.disk > 0 ? await BlockFiles.open(base, { limit: study.disk * 1e9 }) : null;
  return new BlockStore(base, { memory: study.memory * 1e9, files });
}

export function makeRunner(
  prepared: PreparedStudy,
  stage: PreparedStage,
  vectorsOf: (tag: string) => Float32Array,
  store: BlockStore,
  options: { reuse: "auto" | "none" } & Pick<RunnerOptions, "signal" | "told">,
): Runner {
  const { study } = prepared.loaded;
  const reuse = options.reuse === "none" ? "none" : chooseReuse(prepared, stage).reuse;
  return new Runner(
    prepared.base,
    vectorsOf,
    {
      reuse,
      tokens: study.tokensPerRun,
      fixedShapes: true,
      plain: options.reuse === "none",
      signal: options.signal,
      ...(options.told && { told: options.told }),
    },
    store,
  );
}
