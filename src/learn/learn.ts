/**
 * The whole protocol from a table: domain tags found or learned, a recipe searched on validation rows, the
 * function tag trained for several seeds and compared with its baselines. It leaves the studies that repeat it.
 */
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseNumber } from "../data/numbers.ts";
import { readRows } from "../data/source.ts";
import { type Precision, requireGradients } from "../engine/precision.ts";
import { TagllmError } from "../errors.ts";
import { namedBase } from "../hub/model.ts";
import type { HubEvent } from "../hub/snapshot.ts";
import { Base, type BaseOptions } from "../models/base.ts";
import { defaultBase } from "../models/default-base.ts";
import { parseTemplate } from "../prompts/template.ts";
import { isTemporary, makeFolder, replaceFile } from "../replace-file.ts";
import { writeReport } from "../report/write.ts";
import { type LoadedStudy, loadStudy, parseLoaded } from "../study/load.ts";
import { prepareStudy } from "../study/prepare.ts";
import type { Report } from "../study/report.ts";
import { type RunOptions, runStudy, type StudyEvent } from "../study/run.ts";
import { tagFileEnding } from "../tags/file.ts";
import { hasTokens } from "../tokenizer/tokenizer.ts";
import { requireClassRows } from "./classes.ts";
import { type ColumnView, requireColumn, viewColumns } from "./columns.ts";
import {
  type AnswerKind,
  domainStudy,
  functionStudy,
  functionTagOf,
  functionTemplate,
  type Input,
  isDomainStudy,
  moleculeColumns,
  type Plan,
  type Recipe,
  type Renamed,
  renamedOf,
  requireApart,
  studyName,
  type TagFile,
} from "./compose.ts";
import { type Choice, search, type Trial } from "./search.ts";
import { findTags, gatherTags, tagFile } from "./tag-files.ts";
import { earlierChoice, type KeptPlan, keepChoice, trialsName } from "./trials.ts";

export interface LearnOptions extends Pick<BaseOptions, "threads" | "device" | "precision"> {
  /** The table: any format that studies read. */
  readonly data: string;
  readonly inputs: readonly Input[];
  /** Column to predict: numbers, or 2 to 100 classes. */
  readonly target: string;
  /** Default: what the column holds; numbers can be taken as classes. */
  readonly answer?: AnswerKind | undefined;
  /** Folder for everything that is written. */
  readonly out: string;
  /** Checkpoint folder or hub id; default: the base that ships with tagllm. */
  readonly base?: string;
  /** Folder with domain tags that may be used instead of learning them. */
  readonly tags?: string;
  /** Number of seeds; default 3. */
  readonly seeds?: number;
  /** Minutes for all of it on this machine, roughly; default 5. */
  readonly minutes?: number;
  /** Shares of the rows; default 0.1 each. */
  readonly test?: number;
  readonly validation?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: LearnEvent) => void;
}

export type LearnEvent =
  | { kind: "table"; rows: number; columns: readonly ColumnView[] }
  | { kind: "domain-tag"; tag: string; file: string; learned: boolean }
  | { kind: "trial"; trial: Trial; done: number }
  | { kind: "choice"; choice: Choice }
  /** The base's tokenizer cannot write the words of a prompt: tags and data stand alone. */
  | { kind: "no-words" }
  | { kind: "hub"; event: HubEvent }
  | { kind: "run"; event: StudyEvent; stages: number };

export interface Learned {
  readonly report: Report;
  /** The report as a page (HTML). */
  readonly page: string;
  readonly choice: Choice;
  /** Name of the function tag and the folder with it and its domain tags. */
  readonly tag: string;
  readonly tags: string;
  /** Columns that the tag knows by another name, as a table to predict must call them. */
  readonly renamed: readonly Renamed[];
  /** The studies that repeat the result, in order. */
  readonly studies: readonly string[];
  /** What the base ran in. */
  readonly precision: Precision;
}

/** Rows below which there is nothing to validate on. */
const fewestRows = 50;
const mostClasses = 100;
const defaultMinutes = 5;
const domainsName = "domains";
const domainsFile = "domains.yaml";

/** @throws data/*, study/*, run/*, hub/*, engine/*, aborted */
export async function learn(options: LearnOptions): Promise<Learned> {
  const { out, plan: asked } = await planOf(options);
  const say = options.onEvent ?? (() => {});
  const base = await Base.load(asked.base ?? defaultBase, {
    onDownload: (event) => say({ kind: "hub", event }),
    ...(options.signal && { signal: options.signal }),
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.device && { device: options.device }),
    ...(options.precision && { precision: options.precision }),
  });
  try {
    requireGradients(base.engine.precision);
    const plan: Plan = { ...asked, words: hasWordsFor(base, functionTemplate(asked)) };
    if (!plan.words) say({ kind: "no-words" });
    const began = performance.now();
    const left = () => (options.minutes ?? defaultMinutes) * 60 - (performance.now() - began) / 1000;
    const run = (loaded: LoadedStudy, folder: string) => runIn(base, loaded, folder, options);
    const found = await findTags(options.tags, plan.inputs, base);
    const kept: KeptPlan = { ...plan, ...(Object.keys(found.digests).length > 0 && { tags: found.digests }) };
    const earlier = await earlierChoice(out, kept);
    await requireClassRows(plan, base.folder, out);
    const domainTags: Record<string, TagFile> = { ...found.files };
    for (const [tag, { file }] of Object.entries(domainTags))
      say({ kind: "domain-tag", tag, file, learned: false });
    const studies: string[] = [];
    const domains = domainStudy(plan, domainTags, out);
    if (domains !== null) {
      const file = await writeStudy(out, domainsFile, domains);
      studies.push(file);
      const loaded = await loadStudy(file);
      await run(loaded, join(out, domainsName));
      for (const tag of Object.keys(loaded.study.tags)) {
        domainTags[tag] = await tagFile(join(out, domainsName, "tags", tag + tagFileEnding));
        say({ kind: "domain-tag", tag, file: domainTags[tag].file, learned: true });
      }
    }
    const file = join(out, "study.yaml");
    const studyOf = (recipe: Recipe) => parseLoaded(functionStudy(plan, recipe, domainTags, out), file);
    const choice =
      earlier ??
      (await search(base, studyOf, {
        seconds: left() * 0.35,
        trainingSeconds: (left() * 0.6) / plan.seeds.length,
        seed: plan.seeds[0] as number,
        signal: options.signal,
        onTrial: (trial, done) => say({ kind: "trial", trial, done }),
      }));
    say({ kind: "choice", choice });
    await keepChoice(out, kept, choice);
    studies.push(await writeStudy(out, "study.yaml", functionStudy(plan, choice.recipe, domainTags, out)));
    const report = await run(await loadStudy(file), join(out, "run"));
    const page = await writeReport(join(out, "run"), base);
    const tags = await gatherTags(out, domainTags);
    const tag = functionTagOf(plan.target, plan.inputs);
    const { renamed = [] } = plan;
    return { report, page, choice, tag, tags, renamed, studies, precision: base.engine.precision };
  } finally {
    await base.close();
  }
}

/** What is to be learned, checked against the table before anything is loaded or written. */
async function planOf(options: LearnOptions): Promise<{ plan: Plan; out: string }> {
  const { data, inputs, target } = options;
  const table = await readRows({ file: data });
  const columns = viewColumns(table);
  options.onEvent?.({ kind: "table", rows: table.rows.length, columns });
  for (const { column } of inputs) requireColumn(columns, column, data);
  const view = requireColumn(columns, target, data);
  const answer = answerOf(view, table.rows, options);
  if (inputs.some((i) => i.column === target)) {
    throw new TagllmError("usage", `${target} is an input and the target.`, "Name another target.");
  }
  requireApart(inputs);
  if (table.rows.length < fewestRows) {
    const problem = `${data} has ${table.rows.length} rows.`;
    throw new TagllmError("study/data", problem, `Learning and testing take at least ${fewestRows}.`);
  }
  const out = resolve(options.out);
  await requireOwn(out);
  await makeFolder(out);
  const renamed = renamedOf(inputs, table.columns);
  const plan: Plan = {
    name: studyName(data, target),
    file: resolve(data),
    inputs,
    target,
    answer,
    base: options.base === undefined ? null : namedBase(options.base, "."),
    test: options.test ?? 0.1,
    validation: options.validation ?? 0.1,
    splitSeed: 0,
    seeds: Array.from({ length: options.seeds ?? 3 }, (_, i) => i + 1),
    minutes: options.minutes ?? defaultMinutes,
    domainSteps: 150,
    molecules: moleculeColumns(inputs, columns),
    words: true,
    ...(renamed.length > 0 && { renamed }),
  };
  return { plan, out };
}

/** A folder without trials.json may hold what is written before it, and nothing of others. @throws run/folder */
async function requireOwn(out: string): Promise<void> {
  const names = await readdir(out).catch(() => [] as string[]);
  if (names.includes(trialsName)) return;
  const study = await readFile(join(out, domainsFile), "utf8").catch(() => "");
  const own = isDomainStudy(study) ? [domainsName, domainsFile] : [];
  const other = names.find((name) => !own.includes(name) && !isTemporary(name));
  if (other === undefined) return;
  const problem = `The folder ${out} holds ${other}, and no ${trialsName} that says what was learned there.`;
  throw new TagllmError("run/folder", problem, "Choose another with --out.");
}

/** Whether the base has tokens for the text of a template between its tags and fields. */
const hasWordsFor = ({ tokenizer }: Base, template: string): boolean =>
  parseTemplate(template).pieces.every(
    (piece) => piece.kind !== "text" || hasTokens(() => tokenizer.encode(piece.text, { atStart: false })),
  );

/** Numbers are numbers unless classes are asked for; other text is classes where few enough differ. */
function answerOf(
  view: ColumnView,
  rows: readonly Record<string, string>[],
  { data, answer }: LearnOptions,
): AnswerKind {
  const name = JSON.stringify(view.name);
  if (view.distinct === 1) {
    const problem = `The target ${name} of ${data} is ${view.example} in every row.`;
    throw new TagllmError("study/data", problem, "There is nothing to learn from a constant; name another.");
  }
  const few = view.distinct <= mostClasses;
  if (answer === "class" && !few) {
    const problem = `The target ${name} of ${data} has ${view.distinct} different values.`;
    throw new TagllmError("study/data", problem, `Classes are 2 to ${mostClasses}; learn it as a number.`);
  }
  if (answer === "class" || (view.kind === "text" && few && answer === undefined)) return "class";
  if (view.kind === "number") return "number";
  const row = rows.findIndex((r) => r[view.name] !== "" && parseNumber(r[view.name] ?? "").fault !== null);
  const found = row < 0 ? "is empty" : `is ${JSON.stringify(rows[row]?.[view.name])} in row ${row + 1}`;
  throw new TagllmError(
    "study/data",
    `The target ${name} of ${data} does not hold numbers: it ${found}.`,
    `Name a column of numbers, or one of 2 to ${mostClasses} classes.`,
  );
}

async function writeStudy(folder: string, name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await replaceFile(file, text);
  return file;
}

async function runIn(base: Base, loaded: LoadedStudy, out: string, options: LearnOptions): Promise<Report> {
  const prepared = await prepareStudy(loaded, base);
  const stages = prepared.stages.length * loaded.study.seeds.length;
  const run: RunOptions = {
    out,
    ...(options.signal && { signal: options.signal }),
    onEvent: (event) => options.onEvent?.({ kind: "run", event, stages }),
  };
  return runStudy(prepared, run);
}
