/** A loaded study meets its base and its data: everything that can fail is found before training begins. */

import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import { quote } from "../suggest.ts";
import type { Tag } from "../tags/tag.ts";
import { classesOf, withoutUnknown } from "./classes.ts";
import { givenTags } from "./given.ts";
import type { LoadedStudy } from "./load.ts";
import { notAsked, type Stored, storedOf } from "./reuse.ts";
import type { StudyStage } from "./schema.ts";
import { readSources, type Side, type Source } from "./sources.ts";
import { hasHead, type PreparedTask, prepareTask, requireRows, type TaskKind } from "./tasks.ts";

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
  requireAnswers(stages, given);
  return { loaded, base, given, sources, stages };
}

/** What a head answers: classes in its order, or so many numbers. */
interface Answered {
  readonly classes: readonly string[] | null;
  readonly outputs: number;
}

/** A tag that goes on, from a file or from a stage before, keeps what its head answers. */
function requireAnswers(stages: readonly PreparedStage[], given: ReadonlyMap<string, Tag>): void {
  const answers = new Map<string, Answered>();
  for (const [name, { head, classes = null }] of given)
    if (head) answers.set(name, { classes, outputs: head.outputs });
  for (const stage of stages.filter(({ kind }) => hasHead(kind))) {
    const { functionTag, targets } = stage.tasks[0] as PreparedTask;
    const name = functionTag as string;
    const asked = { classes: stage.classes, outputs: targets.length };
    requireAnswer(stage, name, answers.get(name) ?? asked);
    answers.set(name, asked);
  }
}

function requireAnswer({ stage, classes, tasks }: PreparedStage, name: string, before: Answered): void {
  const { targets } = tasks[0] as PreparedTask;
  const inWords = (own: Answered) => (own.classes === null ? `${own.outputs} number(s)` : "classes");
  const [learned, asked] = [inWords(before), inWords({ classes, outputs: targets.length })];
  if (learned !== asked) {
    throw new TagllmError(
      "study/invalid",
      `${quote(name)} answers in ${learned}, and stage ${quote(stage.name)} asks it for ${asked} (${targets.join(", ")}).`,
      "Ask it for what it has learned, or train a new tag.",
    );
  }
  if (before.classes?.join("\n") === classes?.join("\n")) return;
  throw new TagllmError(
    "study/data",
    `${quote(name)} tells ${before.classes?.map(quote).join(", ")} apart, and the data of stage ${quote(stage.name)} has ${classes?.map(quote).join(", ")}.`,
    "Train a new tag for other classes.",
  );
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
  return prepared.stages.map((own) => ({
    stored: reuse === "none" ? notAsked : storedOf(prepared, own),
    stage: own.stage.name,
    kind: own.kind,
    trains: own.stage.train,
    steps: own.stage.steps,
    batch: own.stage.batch,
    tasks: own.tasks.map((task) => {
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
