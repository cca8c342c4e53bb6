/** Reads a study file: YAML, then the schema, then what the schema cannot see - that the names in it meet. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { TagllmError } from "../errors.ts";
import { parseTemplate, templateText, writtenPieces } from "../prompts/template.ts";
import { closest, didYouMean, quote } from "../suggest.ts";
import { type Study, type StudyStage, type StudyTask, studySchema } from "./schema.ts";

export interface LoadedStudy {
  /** With all defaults filled in and stages in the order in which they run. */
  readonly study: Study;
  readonly file: string;
  /** Relative paths of the study are relative to this folder. */
  readonly folder: string;
  readonly text: string;
  readonly sha256: string;
}

/** @throws study/missing, study/yaml, study/invalid, study/name, study/order and the template's own errors */
export async function loadStudy(file: string): Promise<LoadedStudy> {
  const path = resolve(file);
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    const what =
      cause.code === "EISDIR" ? `${path} is a folder, not a study file.` : `There is no study file ${path}.`;
    throw new TagllmError(
      "study/missing",
      what,
      "Give the path of a YAML study; docs/studies.md shows one.",
      { cause },
    );
  });
  return parseLoaded(text, path);
}

/** A study from its text, as if it stood in the file `path`. */
export function parseLoaded(text: string, path: string): LoadedStudy {
  const study = parseStudy(text, path);
  return {
    study: { ...study, stages: orderStages(study, path) },
    file: path,
    folder: dirname(path),
    text,
    sha256: createHash("sha256").update(text).digest("hex"),
  };
}

/** The study in a YAML text; `path` is for messages only. */
export function parseStudy(text: string, path: string): Study {
  if (text.includes("\0"))
    throw new TagllmError("study/yaml", `${path} is a binary file.`, "Give a study written as YAML.");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  const broken = document.errors[0];
  if (broken) {
    throw new TagllmError(
      "study/yaml",
      `${path} is not YAML: ${broken.message}`,
      "Mend the line that is marked.",
    );
  }
  const parsed = studySchema.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    const place = (keys: readonly PropertyKey[]): string => {
      const node = document.getIn(keys as (string | number)[], true) as
        | { range?: [number, number, number] }
        | undefined;
      const at = node?.range?.[0];
      return at === undefined ? "" : ` (line ${lines.linePos(at).line})`;
    };
    const issues = parsed.error.issues.slice(0, 5).map((i) => describeIssue(i, place));
    const more = parsed.error.issues.length - issues.length;
    const problem = `${path} does not fit the study schema:\n${issues.map((i) => `  - ${i}`).join("\n")}\n`;
    const cure = `Mend ${issues.length === 1 ? "it" : "them"}${more > 0 ? ` (and ${more} more)` : ""}; docs/studies.md lists every key.`;
    throw new TagllmError("study/invalid", problem, cure);
  }
  checkNames(parsed.data, path);
  return parsed.data;
}

/** Of every object of a study. */
const knownKeys = (): string[] => keysOf(z.toJSONSchema(studySchema, { io: "input" }));

function keysOf(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { properties = {} } = schema as { properties?: object };
  return [
    ...Object.keys(properties),
    ...Object.values(schema).flatMap(keysOf),
    ...Object.values(properties).flatMap(keysOf),
  ];
}

function describeIssue(issue: z.core.$ZodIssue, place: (keys: readonly PropertyKey[]) => string): string {
  if (issue.code === "invalid_union") {
    // Of the ways in which it could have been meant, the one that went well the longest; misspelt keys first.
    const depth = ({ code, path }: z.core.$ZodIssue) => path.length + (code === "unrecognized_keys" ? 2 : 0);
    const [meant] = issue.errors.flat().toSorted((a, b) => depth(b) - depth(a));
    if (meant && meant.path.length > 0)
      return describeIssue({ ...meant, path: [...issue.path, ...meant.path] }, place);
  }
  const where = issue.path.length ? issue.path.map(String).join(".") : "the study";
  if (issue.code === "unrecognized_keys") {
    const keys = issue.keys.map((key) => {
      const near = closest(key, knownKeys());
      return near ? `${quote(key)} (${near}?)` : quote(key);
    });
    return `${where}${place([...issue.path, issue.keys[0] as string])}: unknown key${keys.length > 1 ? "s" : ""} ${keys.join(", ")}`;
  }
  return `${where}${place(issue.path)}: ${issue.message}`;
}

function checkNames(study: Study, path: string): void {
  for (const stage of study.stages) {
    const at = `${path}: stage ${quote(stage.name)}`;
    if (stage.rate !== undefined && stage.learningRate !== undefined) {
      throw new TagllmError("study/invalid", `${at} sets both rate and learningRate.`, "Keep one of them.");
    }
    for (const tag of stage.train) requireName(tag, Object.keys(study.tags), `${at} trains the tag`, "tags");
    requireVectors(study, stage, at);
    for (const task of stage.tasks) checkTask(study, stage, task, at);
    requireUse(stage, at);
  }
}

function checkTask(study: Study, stage: StudyStage, task: StudyTask, at: string): void {
  requireName(task.data, Object.keys(study.data), `${at} reads the data`, "data sources");
  const used = tagsOf(task);
  for (const tag of used) requireName(tag, Object.keys(study.tags), `${at} uses the tag`, "tags");
  const functionTag = used.find((tag) => study.tags[tag]?.kind === "function");
  if (functionTag && !task.target) {
    throw new TagllmError(
      "study/invalid",
      `${at}: the template ends in the function tag <${functionTag}>, but the task has no target.`,
      "Say which field it is to predict: target: NAME.",
    );
  }
  const answer = functionTag ? study.tags[functionTag] : undefined;
  if (answer?.kind === "function" && answer.answer !== "number") {
    const [what, columns] = answer.answer === "class" ? ["with a class", "labels"] : ["in text", "answers"];
    const targets = [task.target].flat();
    if (targets.length > 1) {
      const problem = `${at}: <${functionTag}> answers ${what}, and the task has ${targets.length} targets.`;
      throw new TagllmError(
        "study/invalid",
        problem,
        `Give one column of ${columns}, or one function tag for each.`,
      );
    }
  }
  if (functionTag) requireTrainedHead(study, stage, functionTag, at);
  if (answer?.kind === "function" && answer.answer === "class") {
    if (stage.head.fit === "gradient") {
      const problem = `${at}: head.fit gradient is for numbers, and <${functionTag}> answers with a class.`;
      throw new TagllmError("study/invalid", problem, "Leave head.fit out.");
    }
  }
  if (task.rows.conflicts === "mean" && !(answer?.kind === "function" && answer.answer === "number")) {
    throw new TagllmError(
      "study/invalid",
      `${at}: rows.conflicts mean is for numbers, and this task has none as its answer.`,
      "Use keep, first, drop or error.",
    );
  }
  if (!functionTag && task.target) {
    const problem = `${at} has the target ${quote(String(task.target))}, but its template has no function tag.`;
    throw new TagllmError(
      "study/invalid",
      problem,
      "End the template with a function tag, or drop the target.",
    );
  }
  if ((task.plain || task.scoreOnly) && !(answer?.kind === "function" && answer.answer === "text")) {
    const key = task.plain ? "plain" : "scoreOnly";
    throw new TagllmError(
      "study/invalid",
      `${at}: ${key} is for answers in text, and this task has none.`,
      "Leave it out, or end the template with a function tag that has `answer: text`.",
    );
  }
  if (task.effects && !(answer?.kind === "function" && answer.answer === "number")) {
    throw new TagllmError(
      "study/invalid",
      `${at}: effects are a baseline of numbers, and this task has none as its answer.`,
      "Leave effects out.",
    );
  }
  checkPlain(task, at);
  if (!used.some((tag) => stage.train.includes(tag))) {
    const problem = `${at} trains ${stage.train.join(", ")}, but the template ${quote(templateText(task.template))} uses none of them.`;
    throw new TagllmError("study/invalid", problem, "Use the tag in the template, or train another one.");
  }
}

/** A stage solves the head that it asks, and keeps the tags that it trains. */
function requireTrainedHead({ tags }: Study, { train }: StudyStage, name: string, at: string): void {
  const tag = tags[name];
  if (tag?.kind !== "function" || tag.answer === "text" || train.includes(name)) return;
  throw new TagllmError(
    "study/invalid",
    `${at} asks <${name}> without training it; the head that it would solve for it would be lost.`,
    `Add ${name} to train, or leave the task out.`,
  );
}

/** A plain prompt is a question in fields and words. */
function checkPlain({ plain = [], target: targets }: StudyTask, at: string): void {
  const [target] = [targets].flat();
  for (const template of plain) {
    const pieces = parseTemplate(template).pieces;
    const last = pieces.at(-1);
    const targets = pieces.filter((piece) => piece.kind === "field" && piece.name === target);
    const ends = last?.kind === "field" && last.name === target && targets.length === 1;
    if (ends && pieces.length > 1 && !pieces.some(({ kind }) => kind === "tag")) continue;
    throw new TagllmError(
      "study/invalid",
      `${at}: the plain prompt ${quote(template)} is no question in fields and words that ends in the target {${target}}.`,
      `Write it without tags, with {${target}} at its end and nowhere else.`,
    );
  }
}

/** Of a tag without vectors only the head can be solved. */
function requireVectors(study: Study, { train, steps }: StudyStage, at: string): void {
  for (const name of train) {
    const tag = study.tags[name];
    if (tag?.length !== 0) continue;
    if (tag.kind === "function" && tag.answer !== "text" && steps === 0) continue;
    const problem = `${at} trains ${quote(name)}, which has no vectors (length: 0).`;
    const cure =
      "Give it some, or with `answer: number` or `class` set steps: 0, which solves its head alone.";
    throw new TagllmError("study/invalid", problem, cure);
  }
}

/** A tag that no prompt of its stage trains would stay as it is. */
function requireUse(stage: StudyStage, at: string): void {
  const used = new Set(stage.tasks.flatMap((task) => (task.scoreOnly ? [] : tagsOf(task))));
  const idle = stage.train.find((tag) => !used.has(tag));
  if (idle === undefined) return;
  const problem = `${at} trains ${quote(idle)}, but none of the templates that it trains in uses it.`;
  throw new TagllmError("study/invalid", problem, "Use the tag in a template, or take it off the list.");
}

const tagsOf = (task: StudyTask): string[] =>
  writtenPieces(task.template).flatMap((p) => (p.kind === "tag" ? [p.name] : []));

function requireName(name: string, known: readonly string[], what: string, kind: string): void {
  if (known.includes(name)) return;
  const problem = `${what} ${quote(name)}, which the study does not define.`;
  throw new TagllmError("study/name", problem, didYouMean(name, known, kind));
}

/** Stages so that each comes after all it waits for; without `after` a stage waits for the one above it. */
function orderStages(study: Study, path: string): StudyStage[] {
  const names = study.stages.map((s) => s.name);
  const twice = names.find((n, i) => names.indexOf(n) !== i);
  if (twice) {
    throw new TagllmError(
      "study/order",
      `${path} has two stages called ${quote(twice)}.`,
      "Rename one of them.",
    );
  }
  const waits = new Map(study.stages.map((s, i) => [s.name, s.after ?? names.slice(Math.max(0, i - 1), i)]));
  for (const [stage, after] of waits) {
    for (const name of after)
      requireName(name, names, `${path}: stage ${quote(stage)} comes after`, "stages");
  }
  const ordered: StudyStage[] = [];
  const done = new Set<string>();
  while (ordered.length < study.stages.length) {
    const next = study.stages.find((s) => !done.has(s.name) && waits.get(s.name)?.every((n) => done.has(n)));
    if (!next) {
      const circle = names.filter((n) => !done.has(n)).join(", ");
      throw new TagllmError(
        "study/order",
        `${path}: the stages ${circle} wait for each other.`,
        "Break the circle.",
      );
    }
    ordered.push(next);
    done.add(next.name);
  }
  requireTrainedBefore(study, ordered, path);
  requireUnchanged(study, ordered, path);
  return ordered;
}

/** A tag that a stage uses without training it must come from an earlier stage or from a file. */
function requireTrainedBefore(study: Study, stages: readonly StudyStage[], path: string): void {
  const ready = new Set(Object.entries(study.tags).flatMap(([name, tag]) => (tag.from ? [name] : [])));
  for (const stage of stages) {
    for (const name of stage.train) ready.add(name);
    for (const task of stage.tasks) {
      for (const piece of writtenPieces(task.template)) {
        if (piece.kind !== "tag" || ready.has(piece.name)) continue;
        throw new TagllmError(
          "study/order",
          `${path}: stage ${quote(stage.name)} uses <${piece.name}>, which nothing has trained before it.`,
          `Add a stage that trains ${piece.name} before it, train it here, or give tags.${piece.name}.from a tag file.`,
        );
      }
    }
  }
}

/** A function tag is bound to its domain tags as they were when it was trained last. */
function requireUnchanged({ tags }: Study, stages: readonly StudyStage[], path: string): void {
  const uses = new Map<string, Set<string>>();
  for (const { name, train, tasks, steps } of stages) {
    for (const task of tasks.filter(({ scoreOnly }) => !scoreOnly)) {
      const used = tagsOf(task);
      const asked = used.find((tag) => tags[tag]?.kind === "function" && train.includes(tag));
      if (asked !== undefined) uses.set(asked, new Set([...(uses.get(asked) ?? []), ...used]));
    }
    if (steps === 0) continue; // it solves heads, which binds them too, and changes no domain tag
    for (const [tag, used] of uses) {
      const changed = train.find((other) => tags[other]?.kind === "domain" && used.has(other));
      if (changed === undefined || train.includes(tag) || trainsLater(stages, name, tag)) continue;
      throw new TagllmError(
        "study/invalid",
        `${path}: stage ${quote(name)} trains <${changed}>, and <${tag}>, which was trained beside it before, could not be used with what it becomes.`,
        `Train ${tag} in this stage or a later one too, or ${changed} only before it.`,
      );
    }
  }
}

const trainsLater = (stages: readonly StudyStage[], stage: string, tag: string): boolean =>
  stages.slice(stages.findIndex(({ name }) => name === stage) + 1).some(({ train }) => train.includes(tag));
