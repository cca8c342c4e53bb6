/** `tagllm report`: what runs found, as one file to read, print or send. */
import { dirname, join, resolve } from "node:path";
import { TagllmError } from "../../errors.ts";
import { namedBase } from "../../hub/model.ts";
import { defaultBase } from "../../models/default-base.ts";
import { replaceFile } from "../../replace-file.ts";
import { describeRun, type RunDocument, resolvedStudy } from "../../report/document.ts";
import { toHtml } from "../../report/html.ts";
import { toMarkdown } from "../../report/markdown.ts";
import { readRun } from "../../report/read-run.ts";
import { reportName } from "../../report/write.ts";
import type { Io } from "../io.ts";
import { type EngineChoice, withBase } from "../open-study.ts";
import { type Result, UsageError } from "../result.ts";

export interface ReportChoice extends EngineChoice {
  out?: string;
  format?: "html" | "md" | "json";
  base?: string;
}

const writers = {
  html: toHtml,
  md: toMarkdown,
  json: (runs: readonly RunDocument[]) => `${JSON.stringify(runs, null, 2)}\n`,
};

export async function report(io: Io, runs: readonly string[], choice: ReportChoice): Promise<Result> {
  const { format = "html" } = choice;
  if (format === "html" && runs.length > 1 && choice.out === undefined)
    throw new UsageError("Several runs make one file, and --out does not say which.", "Give --out FILE.");
  const documents: RunDocument[] = [];
  for (const run of runs) {
    io.progress.update(`reading ${run} ...`);
    documents.push(await describe(run, choice, io));
  }
  const text = writers[format](documents);
  const out = choice.out ?? (format === "html" ? join(runs[0] as string, reportName) : undefined);
  if (out === undefined) return { text, json: { format, runs: documents } };
  await replaceFile(resolve(out), text);
  return { text: out, json: { out, format, runs: documents.map((d) => d.folder) } };
}

/** With the base of the run where it can be loaded; asked for by name it must be. */
async function describe(run: string, choice: ReportChoice, io: Io): Promise<RunDocument> {
  const { report: found, folder } = await readRun(run);
  const base = choice.base ?? (await baseOf(folder, found.study.file));
  try {
    return await withBase(base, choice, io, (loaded) => describeRun(run, loaded));
  } catch (error) {
    if (choice.base !== undefined || !aboutBase(error)) throw error;
    return describeRun(run, `The base ${base} could not be loaded: ${error.problem} Give it with --base.`);
  }
}

const aboutBase = (error: unknown): error is TagllmError =>
  error instanceof TagllmError && /^(hub|model|weights|tokenizer|engine)\//.test(error.code);

async function baseOf(folder: string, study: string): Promise<string> {
  const { base } = await resolvedStudy(folder);
  return base === undefined ? defaultBase : namedBase(base, dirname(study));
}
