/**
 * A task of a study made ready: its rows divided and cleaned, its template bound, its targets read and scaled.
 * Prompts are compiled from here, always in the same way: for training, for scoring, for the untrained tag
 * and for the probe.
 */
import type { Query } from "../batch/layout.ts";
import type { Dropped } from "../data/step.ts";
import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import { bindTemplate, type TagSpec } from "../prompts/bind.ts";
import { chatBos, readTemplate } from "../prompts/chat.ts";
import { type AnswerEnd, compilePrompt, type Prompt, questionPositions } from "../prompts/prompt.ts";
import type { Template } from "../prompts/template.ts";
import { quote } from "../suggest.ts";
import type { Scaling } from "../tags/tag.ts";
import { hasTokens, type TextTokenizer } from "../tokenizer/tokenizer.ts";
import { cleanRows, type Finding, rowList, type TaskRow } from "./clean.ts";
import { fieldsOf, type PlainPrompt, plainQuestion } from "./plain-template.ts";
import type { Study, StudyStage, StudyTask } from "./schema.ts";
import { type Side, type Source, sideNames } from "./sources.ts";

export type { TaskRow } from "./clean.ts";

export type TaskKind = "domain" | "text" | "number" | "class";

/** Answered by a head on the last hidden state. */
export const hasHead = (kind: TaskKind): boolean => kind === "number" || kind === "class";

export interface PreparedTask {
  readonly name: string;
  readonly kind: TaskKind;
  readonly spec: StudyTask;
  readonly source: Source;
  readonly rows: Record<Side, readonly TaskRow[]>;
  readonly dropped: readonly Dropped[];
  /** All that was found in the rows, dropped or not. */
  readonly findings: readonly Finding[];
  readonly targets: readonly string[];
  readonly functionTag: string | null;
  readonly isolate: boolean;
  /** Tags of the template in order of appearance. */
  readonly tags: readonly string[];
  /** Fields of the template in order of appearance. */
  readonly fields: readonly string[];
  readonly compiler: PromptCompiler;
}

export interface PromptCompiler {
  readonly bos: boolean;
  /** Of answers in text. */
  readonly end: AnswerEnd;
  /**
   * `lengths` overrides tags' lengths: 0 leaves a tag's vectors out. `answerTokens`: of the answer that is to be
   * written behind the prompt, for which fields are cut.
   */
  compile(
    row: Pick<TaskRow, "fields">,
    options: { withTarget: boolean; lengths?: Record<string, number>; answerTokens?: number },
  ): Prompt;
}

export function prepareTask(
  study: Study,
  stage: StudyStage,
  spec: StudyTask,
  source: Source,
  base: Base,
): PreparedTask {
  const template = readTemplate(spec.template, base.tokenizer);
  const tags = tagsOf(template);
  const functionTag = tags.find((t) => study.tags[t]?.kind === "function") ?? null;
  const answer = functionTag ? study.tags[functionTag] : null;
  const kind: TaskKind = answer?.kind === "function" ? answer.answer : "domain";
  const targets = spec.target === undefined ? [] : [spec.target].flat();
  const isolate = spec.isolate ?? hasHead(kind);
  const bos = spec.bos ?? chatBos(template, base.tokenizer) ?? (kind !== "domain" && base.tokenizer.addBos);
  const target = kind === "text" ? targets[0] : undefined;
  const form = { template, fields: source.table.columns, target, bos, eos: kind === "text" };
  const compiler = compilerOf(study, base, form); // refuses a field that is no column before its rows count as empty
  const { plain = [] } = spec;
  for (const own of plain) plainCompiler(study, base, { source, bos }, { template: own, examples: [] }, 0);
  for (const t of [...targets, ...(spec.effects ?? []), ...(spec.molecules ?? [])])
    requireColumn(t, source, stage);
  const fields = [...new Set(template.pieces.flatMap((p) => (p.kind === "field" ? [p.name] : [])))];
  requireHidden(hasHead(kind) ? targets : [], fields, stage);
  const name = taskName(stage, spec, base);
  const writable = writableBy(base.tokenizer);
  const plainFields = plain.flatMap(fieldsOf);
  const wanted = { name, fields, plainFields, targets, kind, handling: spec.rows, writable };
  const cleaned = cleanRows(source, wanted);
  const task: PreparedTask = {
    name,
    kind,
    spec,
    source,
    ...cleaned,
    targets,
    functionTag,
    isolate,
    tags,
    fields,
    compiler,
  };
  const fitting = kind === "text" ? withoutTooLong(task, maxTokens(study, base)) : task;
  requireRows(fitting);
  for (const own of plain) requirePlain(study, stage, base, fitting, own);
  return fitting;
}

/** Its words have room with the most examples that it will have; what rows hold is cut. */
function requirePlain(
  study: Study,
  { answers: { examples, tokens } }: StudyStage,
  base: Base,
  { name, source, rows, compiler }: PreparedTask,
  template: string,
): void {
  const prompt = { template, examples: rows.train.slice(0, Math.max(...examples)) };
  try {
    plainCompiler(study, base, { source, bos: compiler.bos }, prompt, tokens)(rows.test[0] as TaskRow);
  } catch (error) {
    if (!(error instanceof TagllmError)) throw error;
    const problem = `${name}: the plain prompt ${quote(template)} with ${prompt.examples.length} answered rows before it: ${error.problem}`;
    throw new TagllmError(error.code, problem, error.cure, { cause: error });
  }
}

/** Rows with an answer that has no place however much is cut from their fields: they are counted as dropped. */
function withoutTooLong(task: PreparedTask, positions: number): PreparedTask {
  const { name, rows, spec, targets, compiler } = task;
  const tooLong = new Set(
    sideNames.flatMap((side) => rows[side].filter((row) => !answerFits(compiler, row))),
  );
  if (tooLong.size === 0) return task;
  const what = `${targets[0]} is too long for a prompt of ${positions} positions`;
  const numbers = [...tooLong].map((row) => row.rowNumber).sort((a, b) => a - b);
  if (spec.rows.unwritable === "error") {
    throw new TagllmError(
      "study/rows",
      `${name}: ${numbers.length} row${numbers.length === 1 ? "" : "s"} with ${what} (${rowList(numbers)}).`,
      "The study says unwritable: error. Shorten the answers, or say unwritable: drop.",
    );
  }
  const without = (side: Side) => rows[side].filter((row) => !tooLong.has(row));
  return {
    ...task,
    rows: { train: without("train"), validation: without("validation"), test: without("test") },
    dropped: [...task.dropped, { reason: what, rows: numbers }],
    findings: [...task.findings, { kind: "fault", what, rows: numbers, handled: "dropped" }],
  };
}

function answerFits(compiler: PromptCompiler, row: TaskRow): boolean {
  try {
    compiler.compile(row, { withTarget: true });
    return true;
  } catch (error) {
    if (!(error instanceof TagllmError && error.code === "prompts/too-long")) throw error;
    compiler.compile(row, { withTarget: false }); // a question that is too long by itself is no fault of the row
    return false;
  }
}

/** A letter that only a tokenizer with tokens for anything has: bytes, or one for what is unknown. */
const RAREST = "\ua66e";

function writableBy(tokenizer: TextTokenizer): ((text: string) => boolean) | null {
  const writable = (text: string) => hasTokens(() => tokenizer.encode(text, { atStart: false }));
  return writable(RAREST) ? null : writable;
}

/** Stage and data; where several tasks of the stage share the data, also what tells them apart. */
function taskName({ name, tasks }: StudyStage, spec: StudyTask, { tokenizer }: Base): string {
  const plain = `${name}/${spec.data}`;
  const sharing = tasks.filter(({ data }) => data === spec.data);
  if (sharing.length === 1) return plain;
  const tagsOf = ({ template }: StudyTask) =>
    readTemplate(template, tokenizer)
      .pieces.flatMap((p) => (p.kind === "tag" ? [`<${p.name}>`] : []))
      .join(" ");
  const own = `${plain} ${tagsOf(spec)}`;
  const unique = sharing.filter((other) => tagsOf(other) === tagsOf(spec)).length === 1;
  return unique ? own : `${own} ${sharing.indexOf(spec) + 1}`;
}

export const maxTokens = (study: Study, base: Base): number =>
  Math.min(study.maxTokens ?? Number.POSITIVE_INFINITY, base.architecture.maxPositions);

export function tagSpecs(study: Study, names: readonly string[]): Map<string, TagSpec> {
  return new Map(
    names.map((name) => {
      const tag = study.tags[name] as Study["tags"][string];
      const domain = tag.kind === "domain";
      return [
        name,
        {
          name,
          kind: tag.kind,
          length: tag.length,
          splitCharacters: domain && tag.splitCharacters,
          isolate: domain && tag.isolate,
        },
      ];
    }),
  );
}

const tagsOf = ({ pieces }: Template): string[] => [
  ...new Set(pieces.flatMap((p) => (p.kind === "tag" ? [p.name] : []))),
];

/** A template and what is to be known of it before rows come. */
export interface PromptForm {
  readonly template: Template;
  readonly fields: readonly string[];
  readonly target: string | undefined;
  readonly bos: boolean;
  /** EOS after the answer. */
  readonly eos: boolean;
}

/** @throws what binding the template does */
export function compilerOf(study: Study, base: Base, form: PromptForm): PromptCompiler {
  const { template, fields, target, bos, eos } = form;
  const specs = [...tagSpecs(study, tagsOf(template))];
  const bind = (lengths: Record<string, number>) =>
    bindTemplate(template, {
      tags: new Map(specs.map(([n, s]) => [n, { ...s, length: lengths[n] ?? s.length }])),
      fields,
      ...(target !== undefined && { target }),
    });
  const whole = bind({});
  const bound = new Map([["{}", whole]]);
  return {
    bos,
    end: { closing: whole.closing, endOfTurn: whole.endOfTurn },
    compile(row, { withTarget, lengths = {}, answerTokens = 0 }) {
      const key = JSON.stringify(lengths);
      const own = bound.get(key) ?? bind(lengths);
      bound.set(key, own);
      return compilePrompt(own, row.fields, {
        tokenizer: base.tokenizer,
        maxTokens: maxTokens(study, base),
        cutTo: questionPositions(base.architecture.maxPositions, answerTokens),
        bos,
        withTarget,
        eosAfterTarget: eos && base.tokenizer.eosId !== null,
      });
    },
  };
}

/** Prompts of a plain template and its examples. */
export function plainCompiler(
  study: Study,
  base: Base,
  { source, bos }: Pick<PreparedTask, "source"> & Pick<PromptForm, "bos">,
  prompt: PlainPrompt,
  answerTokens: number,
): (row: TaskRow) => Prompt {
  const { template, given } = plainQuestion(prompt);
  const fields = [...source.table.columns, ...Object.keys(given)];
  const compiler = compilerOf(study, base, { template, fields, target: undefined, bos, eos: false });
  return (row) =>
    compiler.compile({ fields: { ...row.fields, ...given } }, { withTarget: false, answerTokens });
}

function requireColumn(target: string, { name, table }: Source, stage: StudyStage): void {
  if (table.columns.includes(target)) return;
  throw new TagllmError(
    "study/data",
    `Stage ${quote(stage.name)}: the data ${quote(name)} has no column ${quote(target)}; it has ${table.columns.map(quote).join(", ")}.`,
    "Name it as the column is called, or rename it under columns.",
  );
}

/** The tag would read its answer. */
function requireHidden(targets: readonly string[], fields: readonly string[], stage: StudyStage): void {
  const shown = targets.filter((target) => fields.includes(target));
  if (shown.length === 0) return;
  throw new TagllmError(
    "study/invalid",
    `Stage ${quote(stage.name)}: ${shown.map(quote).join(", ")} is the target and stands in the template.`,
    "Take it out of the template; it is what the function tag has to say.",
  );
}

/** @throws study/data */
export function requireRows(task: PreparedTask): void {
  const { name, rows, targets } = task;
  const short = sideNames.find((side) => rows[side].length < 2);
  if (short) {
    const lost = lostOf(task, short);
    throw new TagllmError(
      "study/data",
      `${name}: the ${short} side has ${rows[short].length} usable rows${lost ? ` (${lost})` : ""}.`,
      "Each side needs at least 2: give more rows, or change the split.",
    );
  }
  targets.forEach((target, k) => {
    const values = rows.train.map((r) => r.numbers[k]);
    if (values.length && values[0] !== undefined && values.every((v) => v === values[0])) {
      throw new TagllmError(
        "study/data",
        `${name}: the target ${quote(target)} is ${values[0]} in all ${values.length} training rows.`,
        "There is nothing to learn from a constant; check the column.",
      );
    }
  });
}

/** What a side has lost; rows that joins dropped were on no side, and could have been on this one. */
function lostOf({ source: { table, sides }, dropped }: PreparedTask, side: Side): string {
  const elsewhere = new Set(
    sideNames.flatMap((s) => (s === side ? [] : Array.from(sides[s], (i) => table.rowNumbers[i] as number))),
  );
  return dropped
    .map(({ reason, rows }) => ({ reason, count: rows.filter((row) => !elsewhere.has(row)).length }))
    .flatMap(({ reason, count }) => (count > 0 ? [`${count} dropped: ${reason}`] : []))
    .join("; ");
}

/** The positions before `cut` stay the same while `trained` changes. */
export function queryOf(prompt: Prompt, isolate: boolean, trained: ReadonlySet<string>): Query {
  const changing = prompt.slots.filter((s) => trained.has(s.tag)).map((s) => s.position);
  const end = prompt.readout ?? prompt.ids.length - 1;
  return { prompt, isolate, cut: Math.min(end, ...changing) };
}

/** Mean and standard deviation of each target over the training rows of all tasks of a function tag. */
export function fitScaling(tasks: readonly PreparedTask[]): Scaling[] {
  const rows = tasks.flatMap((t) => t.rows.train);
  return (rows[0]?.numbers ?? []).map((_, k) => {
    const values = rows.map((r) => r.numbers[k] as number);
    const mean = values.reduce((s, v) => s + v, 0) / values.length;
    const variance = values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length;
    return { mean, scale: Math.sqrt(variance) };
  });
}

export const standardise = (row: TaskRow, scaling: readonly Scaling[]): number[] =>
  row.numbers.map((n, k) => (n - (scaling[k] as Scaling).mean) / (scaling[k] as Scaling).scale);
