/** `tagllm learn`: a table in; tags, a report and the studies that repeat it out. */
import { basename, join } from "node:path";
import { stemOf } from "../../data/formats.ts";
import { readRows } from "../../data/source.ts";
import { type ColumnView, proposal, viewColumns } from "../../learn/columns.ts";
import { type AnswerKind, fieldIn, parseInput, type Recipe } from "../../learn/compose.ts";
import { type LearnEvent, type Learned, learn } from "../../learn/learn.ts";
import type { Trial } from "../../learn/search.ts";
import { shellWord } from "../../shell.ts";
import { verdict } from "../../study/methods.ts";
import { formatReport } from "../../study/report.ts";
import { quote } from "../../suggest.ts";
import { downloadView } from "../download-view.ts";
import type { Io } from "../io.ts";
import type { EngineChoice } from "../open-study.ts";
import { type Result, UsageError } from "../result.ts";
import { runView } from "../run-view.ts";
import { type Column, grouped, table } from "../table.ts";

export interface LearnChoice extends EngineChoice {
  input?: string[];
  target?: string;
  answer?: AnswerKind;
  out?: string;
  base?: string;
  tags?: string;
  seeds?: number;
  minutes?: number;
}

export async function learnTable(io: Io, file: string, choice: LearnChoice): Promise<Result> {
  const { input, target, out, ...rest } = choice;
  if (!input?.length || target === undefined) throw await proposed(file, choice, "learn");
  const signal = io.signal();
  const folder = out ?? join("runs", stemOf(file));
  const learned = await learn({
    ...rest,
    data: file,
    inputs: input.map(parseInput),
    target,
    out: folder,
    signal,
    onEvent: listener(io),
  });
  io.progress.clear();
  const { report, choice: chosen, tag, tags, page, renamed, studies } = learned;
  const text = [
    formatReport(report).trimEnd(),
    "",
    ...(chosen.trials.length ? [trialTable(chosen.trials), ""] : []),
    `Chosen: ${recipeText(chosen.recipe)}, because ${chosen.why}.`,
    verdict(report.stages.at(-1)?.tasks[0]?.methods ?? []),
    "",
    nextSteps(
      learned,
      input.map((i) => fieldIn(learned, parseInput(i).column)),
      file,
      choice.base,
    ),
  ].join("\n");
  return { text, json: { out: folder, tag, tags, page, renamed, studies, choice: chosen, report } };
}

/** Without input or target: what the table has, and what one would try. */
export async function proposed(
  file: string,
  { input, target }: Pick<LearnChoice, "input" | "target">,
  command: "learn" | "init",
): Promise<UsageError> {
  const columns = viewColumns(await readRows({ file }));
  const guess = proposal(columns);
  const words = [
    `tagllm ${command} ${shellWord(file)}`,
    input?.length
      ? input.map((i) => `--input ${shellWord(i)}`).join(" ")
      : `--input ${shellWord(`${guess.input ?? "COLUMN"}:TAG`)}`,
    `--target ${shellWord(target ?? guess.target ?? "COLUMN")}`,
  ];
  const missing = [...(input?.length ? [] : ["--input"]), ...(target === undefined ? ["--target"] : [])];
  const none = target === undefined && guess.target === null;
  const hint = none ? "\nNone of its columns holds numbers to predict; a target may also be classes.\n" : "";
  return new UsageError(
    `${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} not given. ${file} has:\n\n${columnTable(columns)}\n${hint}`,
    `Perhaps: ${words.join(" ")} (TAG is a name of your choice for what the column holds, such as SMILES).`,
    { columns },
  );
}

function listener({ progress }: Io): (event: LearnEvent) => void {
  const download = downloadView(progress);
  let show: ReturnType<typeof runView> | null = null;
  return (event) => {
    switch (event.kind) {
      case "table":
        progress.note(`${grouped(event.rows)} rows, ${event.columns.length} columns`);
        break;
      case "domain-tag":
        progress.note(`domain tag ${event.tag}: ${event.learned ? "learned" : "found"}, ${event.file}`);
        break;
      case "trial": {
        const { recipe, best, untrained, seconds } = event.trial;
        progress.note(
          `trial ${event.done}: ${recipeText(recipe)}: validation loss ${best.toFixed(4)} (untrained ${untrained.toFixed(4)}), ${seconds.toFixed(0)} s`,
        );
        break;
      }
      case "choice":
        progress.note(`chosen: ${recipeText(event.choice.recipe)}`);
        show = null;
        break;
      case "no-words":
        progress.note("the base's tokenizer has no words: prompts are tags and data alone");
        break;
      case "hub":
        download(event.event);
        break;
      case "run":
        show ??= runView(progress, event.stages);
        show(event.event);
        break;
    }
  };
}

const recipeText = ({ length, rate, steps }: Recipe): string =>
  length === 0
    ? "no vectors (the linear probe as a tag)"
    : steps === 0
      ? `${counted(length, "vector")}, untrained`
      : `${counted(length, "vector")}, rate ${rate}, ${steps} steps`;

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

function columnTable(columns: readonly ColumnView[]): string {
  const right = (title: string): Column => ({ title, align: "right" });
  return table(
    [{ title: "column" }, { title: "holds" }, right("empty"), right("different"), { title: "for example" }],
    columns.map((c) => [
      c.name,
      c.kind,
      grouped(c.empty),
      grouped(c.distinct),
      c.example.length > 40 ? `${c.example.slice(0, 39)}…` : c.example,
    ]),
  );
}

function trialTable(trials: readonly Trial[]): string {
  const right = (title: string): Column => ({ title, align: "right" });
  return table(
    [
      right("vectors"),
      right("rate"),
      right("steps"),
      right("validation loss"),
      right("untrained"),
      right("s"),
    ],
    trials.map(({ recipe, best, untrained, seconds }) => [
      String(recipe.length),
      String(recipe.rate),
      String(recipe.steps),
      best.toFixed(4),
      untrained.toFixed(4),
      seconds.toFixed(0),
    ]),
  );
}

function nextSteps(
  { page, tag, tags, renamed, studies, precision }: Learned,
  names: readonly string[],
  file: string,
  base: string | undefined,
): string {
  const numbers = precision === "f32" ? "" : ` --precision ${precision}`;
  const on = base === undefined ? "" : ` --base ${shellWord(base)}`;
  const predict = `tagllm predict --tag ${shellWord(join(tags, `${tag}.safetensors`))}${on}`;
  const fields = names.map((name) => `--field ${shellWord(`${name}=...`)}`).join(" ");
  const renames = renamed.map(({ column, field }) => `${quote(column)} renamed to ${quote(field)}`);
  return [
    `Report:     ${page}`,
    `Use it:     ${predict} ${fields}`,
    `            ${predict} --data ${renames.length > 0 ? "TABLE" : shellWord(file)} --out predicted.csv`,
    ...(renames.length > 0 ? [`            (TABLE: ${file} with its column ${renames.join(", ")})`] : []),
    `Repeat it:  ${studies.map((s) => `tagllm train ${shellWord(s)} --out elsewhere-${basename(s, ".yaml")}${numbers}`).join(" && ")}`,
    "Better:     more rows; a longer search (--minutes 30); a larger base (--base, a folder or hub id); each with another --out",
  ].join("\n");
}
