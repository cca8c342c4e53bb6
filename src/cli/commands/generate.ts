/** `tagllm generate`: text from one prompt, as it is written, or from every row of a table. */
import { readFileSync } from "node:fs";
import type { Cell } from "../../data/parquet-writer.ts";
import type { RowBatch } from "../../data/source.ts";
import { TagllmError } from "../../errors.ts";
import { type Generated, type GenerateOptions, generateStream } from "../../generate/generate.ts";
import { faultOf, type GeneratePrompt } from "../../generate/prompts.ts";
import type { Finish } from "../../generate/writer.ts";
import type { Base } from "../../models/base.ts";
import { defaultBase } from "../../models/default-base.ts";
import { type TemplateSource, writtenPieces } from "../../prompts/template.ts";
import { quote } from "../../suggest.ts";
import { loadTag, tagFile } from "../../tags/file.ts";
import type { Tag } from "../../tags/tag.ts";
import type { Io } from "../io.ts";
import { type EngineChoice, withBase } from "../open-study.ts";
import { type Result, UsageError } from "../result.ts";
import { batchesOf, limitOf, noteTrimmed, trimmedNote, wasTrimmed } from "../rows.ts";
import { grouped } from "../table.ts";
import { fileSink, tableFormat, textSink } from "../table-writer.ts";

export interface GenerateChoice extends EngineChoice {
  prompt?: string;
  template?: string;
  chat?: boolean;
  system?: string;
  tags?: string;
  field?: Record<string, string>;
  data?: string;
  out?: string;
  strict?: boolean;
  maxTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  beams?: number;
  lengthPenalty?: number;
  earlyStopping?: "yes" | "no" | "never";
  stop?: string[];
  seed?: number;
  base?: string;
  json?: boolean;
}

/** What there is of a text; `interrupted` when Ctrl-C came before its end. */
interface Said {
  text: string;
  tokens: number | null;
  finish: Finish | "interrupted";
  trimmed: Generated["trimmed"];
  score?: number;
}

const unsaid = (): Said => ({ text: "", tokens: null, finish: "interrupted", trimmed: [] });

export async function generateText(io: Io, choice: GenerateChoice): Promise<Result> {
  checkSource(choice);
  const { data, out } = choice;
  if (out !== undefined) tableFormat(out);
  const prompt = data === undefined ? onePrompt(choice) : null;
  const tags = await tagsOf(choice);
  return withBase(choice.base ?? defaultBase, choice, io, async (base) => {
    const options = { ...settingsOf(choice), tags, signal: io.signal() };
    return prompt === null ? many(io, base, choice, options) : one(io, base, prompt, choice, options);
  });
}

function checkSource({ prompt, template, chat, system, field, data, out, strict }: GenerateChoice): void {
  if ((prompt === undefined) === (template === undefined))
    throw new UsageError("Give either a prompt or a template.", "Use --prompt TEXT or --template TEXT.");
  if (template === undefined && (data !== undefined || field !== undefined))
    throw new UsageError("A prompt has no fields.", 'Use --template "{column}" with --data or --field.');
  if (data !== undefined && field !== undefined)
    throw new UsageError("Give either fields or a table.", "Use --field name=value or --data FILE.");
  if (system !== undefined && !chat)
    throw new UsageError("Only a chat has a system message.", "Use --system with --chat.");
  if (data !== undefined) return;
  if (out !== undefined) throw new UsageError("--out is for tables.", "Use it with --data FILE.");
  if (strict) throw new UsageError("--strict is for tables.", "Use it with --data FILE.");
}

function onePrompt(choice: GenerateChoice): GeneratePrompt {
  const { prompt, field = {} } = choice;
  const template = templateOf(choice);
  if (template !== null) return { template, fields: field };
  const text = prompt === "-" ? readFileSync(0, "utf8").replace(/\r?\n$/, "") : (prompt as string);
  return choice.chat ? { messages: messages(text, choice) } : text;
}

/** The template of one prompt or of all rows; null without. */
function templateOf(choice: GenerateChoice): TemplateSource | null {
  const { template, chat } = choice;
  if (template === undefined) return null;
  return chat ? messages(template, choice) : template;
}

const messages = (user: string, { system }: GenerateChoice) => [
  ...(system === undefined ? [] : [{ role: "system", content: system }]),
  { role: "user", content: user },
];

/** What a prompt is cut to fit. */
function limitIn({ tags }: GenerateOptions): string {
  const asked = [...(tags?.values() ?? [])].find(({ kind }) => kind === "function");
  return asked ? limitOf(asked) : "the base";
}

async function tagsOf(choice: GenerateChoice): Promise<Map<string, Tag>> {
  const { tags: folder = "." } = choice;
  const template = templateOf(choice);
  const tags = new Map<string, Tag>();
  for (const piece of template === null ? [] : writtenPieces(template))
    if (piece.kind === "tag" && !tags.has(piece.name))
      tags.set(piece.name, await loadTag(tagFile(folder, piece.name)));
  return tags;
}

function settingsOf(choice: GenerateChoice): GenerateOptions {
  const { maxTokens, temperature, topK, topP, minP, repetitionPenalty, beams, lengthPenalty, stop, seed } =
    choice;
  const given = {
    maxTokens,
    temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
    beams,
    lengthPenalty,
    stop,
    seed,
  };
  const early = { yes: true, no: false, never: "never" } as const;
  const earlyStopping = choice.earlyStopping && early[choice.earlyStopping];
  return Object.fromEntries(
    Object.entries({ ...given, earlyStopping }).filter(([, value]) => value !== undefined),
  );
}

/** Continues prompts until all have ended or Ctrl-C. */
async function say(
  base: Base,
  prompts: readonly GeneratePrompt[],
  options: GenerateOptions,
  onText: (row: number, text: string) => void,
): Promise<{ said: Said[]; interrupted: boolean }> {
  const said = prompts.map(unsaid);
  try {
    for await (const event of generateStream(base, prompts, options)) {
      const own = said[event.row] as Said;
      if (event.kind === "text") {
        own.text += event.text;
        onText(event.row, event.text);
      } else {
        const { finish, ids, score, trimmed } = event.result;
        said[event.row] = {
          text: own.text,
          tokens: ids.length,
          finish,
          trimmed,
          ...(score !== undefined && { score }),
        };
      }
    }
    return { said, interrupted: false };
  } catch (error) {
    if (!(error instanceof TagllmError && error.code === "aborted")) throw error;
    return { said, interrupted: true };
  }
}

/** Prints the text as it comes; with --json all of it at the end. */
async function one(
  io: Io,
  base: Base,
  prompt: GeneratePrompt,
  { json }: GenerateChoice,
  options: GenerateOptions,
): Promise<Result> {
  let characters = 0;
  const { said, interrupted } = await say(base, [prompt], options, (_, text) => {
    characters += text.length;
    if (json) io.progress.update(`${grouped(characters)} characters ...`);
    else process.stdout.write(text);
  });
  const own = said[0] as Said;
  if (!json && wasTrimmed(own) && process.stdout.isTTY) process.stdout.write("\n");
  noteTrimmed(io, own, limitIn(options));
  return { text: "", json: own, interrupted };
}

async function many(io: Io, base: Base, choice: GenerateChoice, options: GenerateOptions): Promise<Result> {
  const { data, out, json } = choice;
  const sink = out === undefined ? textSink("csv") : await fileSink(out);
  const all: object[] = [];
  const failures: number[] = [];
  let [rows, trimmed, stopped] = [0, 0, false];
  try {
    for await (const batch of batchesOf(data as string, options.signal)) {
      if (rows === 0) await sink.begin(columnsOf(batch, data as string));
      const { texts, interrupted } = await textsOf(io, base, choice, options, batch, rows);
      await sink.write(texts.map((text, i) => cells(batch, i, text)));
      if (json && out === undefined) all.push(...texts.map(jsonOf));
      for (const [i, text] of texts.entries()) {
        if (text instanceof TagllmError) failures.push(rows + i + 1);
        else if (wasTrimmed(text)) trimmed++;
      }
      rows += texts.length;
      stopped = interrupted;
      if (interrupted) break;
    }
    const text = await sink.finish();
    io.progress.clear();
    const failed = failures.length;
    if (trimmed > 0) io.progress.note(trimmedNote(trimmed, rows, limitIn(options)));
    if (failed > 0) io.progress.note(failureNote(failures, rows));
    const done = { interrupted: stopped, ok: failed === 0 || failed < rows };
    if (text !== null) return { text, json: { rows: all }, ...done };
    return { text: `${rows - failed} rows with text: ${out}`, json: { rows, failed, trimmed, out }, ...done };
  } catch (error) {
    await sink.abandon();
    throw error;
  }
}

/** The text of every row of a batch, or why the row makes no prompt. */
async function textsOf(
  io: Io,
  base: Base,
  choice: GenerateChoice,
  options: GenerateOptions,
  batch: RowBatch,
  before: number,
): Promise<{ texts: (Said | TagllmError)[]; interrupted: boolean }> {
  const template = templateOf(choice) as TemplateSource;
  const prompts = batch.rows.map((fields) => ({ template, fields }));
  const texts: (Said | TagllmError)[] = prompts.map(
    (prompt, i) => rowFault(base, prompt, options, before + i + 1) ?? unsaid(),
  );
  const fault = texts.find((text) => text instanceof TagllmError);
  if (fault && choice.strict) throw fault;
  let characters = 0;
  const onText = (_: number, text: string) => {
    characters += text.length;
    io.progress.update(`${grouped(before)} rows, then ${grouped(characters)} characters ...`);
  };
  for (const part of partsOf(texts, options)) {
    const seed = (options.seed ?? 0) + before + (part[0] as number);
    const asked = part.map((i) => prompts[i] as GeneratePrompt);
    const { said, interrupted } = await say(base, asked, { ...options, seed }, onText);
    said.forEach((own, k) => {
      texts[part[k] as number] = own;
    });
    if (interrupted) return { texts, interrupted };
  }
  return { texts, interrupted: false };
}

function rowFault(
  base: Base,
  prompt: GeneratePrompt,
  { tags = new Map() }: GenerateOptions,
  row: number,
): TagllmError | null {
  const fault = faultOf(base, prompt, tags);
  return fault && new TagllmError(fault.code, `Row ${row}: ${fault.problem}`, fault.cure, { cause: fault });
}

/** Rows that are continued together: those with a prompt; where tokens are drawn without gaps, as seeds count rows. */
function partsOf(texts: readonly (Said | TagllmError)[], { temperature = 0 }: GenerateOptions): number[][] {
  const parts: number[][] = [];
  for (const [i, text] of texts.entries()) {
    if (text instanceof TagllmError) continue;
    const part = parts.at(-1);
    if (part && (temperature === 0 || part.at(-1) === i - 1)) part.push(i);
    else parts.push([i]);
  }
  return parts;
}

function failureNote(failures: readonly number[], rows: number): string {
  const some = `${failures.slice(0, 5).join(", ")}${failures.length > 5 ? ", ..." : ""}`;
  return `${failures.length} of ${rows} rows have no text (rows ${some}); their column error says why.`;
}

const added = ["generated", "finish", "error"];

function columnsOf({ columns }: RowBatch, file: string) {
  const taken = added.find((name) => columns.includes(name));
  if (taken === undefined) return [...columns, ...added].map((name) => ({ name, type: "text" as const }));
  const problem = `${file} already has a column ${quote(taken)}.`;
  throw new TagllmError("data/duplicate-column", problem, "Rename or remove it.");
}

const cells = ({ columns, rows }: RowBatch, row: number, said: Said | TagllmError): Cell[] => [
  ...columns.map((name) => (rows[row] as Record<string, string>)[name] as string),
  ...(said instanceof TagllmError
    ? [null, null, `${said.code}: ${said.problem}`]
    : [said.text, said.finish, null]),
];

const jsonOf = (said: Said | TagllmError): object =>
  said instanceof TagllmError ? { error: { code: said.code, problem: said.problem, cure: said.cure } } : said;
