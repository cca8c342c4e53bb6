/** `tagllm init`: a commented study from a table, to be edited and trained. */
import { access } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { readRows } from "../../data/source.ts";
import { requireColumn, viewColumns } from "../../learn/columns.ts";
import { type AnswerKind, parseInput } from "../../learn/compose.ts";
import { wholeStudy } from "../../learn/whole-study.ts";
import { replaceFile } from "../../replace-file.ts";
import { parseLoaded } from "../../study/load.ts";
import type { Io } from "../io.ts";
import { type Result, UsageError } from "../result.ts";
import { proposed } from "./learn.ts";

export interface InitChoice {
  input?: string[];
  target?: string;
  answer?: AnswerKind;
  out?: string;
  force?: boolean;
}

export async function init(_io: Io, file: string, choice: InitChoice): Promise<Result> {
  const { input, target, force } = choice;
  if (!input?.length || target === undefined) throw await proposed(file, choice, "init");
  const inputs = input.map(parseInput);
  const columns = viewColumns(await readRows({ file }));
  for (const name of [...inputs.map((i) => i.column), target]) requireColumn(columns, name, file);
  const out = resolve(choice.out ?? "study.yaml");
  const exists = await access(out).then(
    () => true,
    () => false,
  );
  if (exists && !force) throw new UsageError(`${out} exists.`, "Choose another --out, or give --force.");
  const view = requireColumn(columns, target, file);
  const answer = choice.answer ?? (view.kind === "text" ? "class" : "number");
  const text = wholeStudy(resolve(file), inputs, target, columns, dirname(out), answer);
  parseLoaded(text, out);
  await replaceFile(out, text);
  return {
    text: `${out}\n\nLook at it, then: tagllm inspect ${out} && tagllm train ${out} --dry-run`,
    json: { study: out },
  };
}
