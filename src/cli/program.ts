/**
 * The command line: words in, exit code out. The commands are defined in define/; what a command does is loaded
 * when it is called, so that help is there at once.
 */
import { Command, CommanderError } from "commander";
import { version } from "../version.ts";
import { baseCommands } from "./define/base.ts";
import { definer, examples } from "./define/define.ts";
import { tableCommands } from "./define/learn.ts";
import { useCommands } from "./define/predict.ts";
import { runCommands } from "./define/runs.ts";
import { studyCommands } from "./define/study.ts";
import { tagCommands } from "./define/tags.ts";
import { stopWork } from "./interrupt.ts";
import { colorsFor } from "./io.ts";
import {
  exitCodeOf,
  exitCodes,
  failureOf,
  failureText,
  printableLines,
  type Result,
  UsageError,
} from "./result.ts";

/** Runs one command line and returns the exit code; nothing is thrown. */
export async function runCommandLine(words: string[]): Promise<number> {
  let code: number = exitCodes.ok;
  let unread = false;
  whenReaderIsGone(process.stderr, () => {});
  whenReaderIsGone(process.stdout, () => {
    unread = true;
    stopWork();
  });
  const program = buildProgram((result, json) => {
    process.stdout.write(json ? `${JSON.stringify(result.json)}\n` : `${result.text.trimEnd()}\n`);
    if (result.ok === false) code = exitCodes.failure;
    if (result.interrupted && !unread) code = exitCodes.interrupted;
  });
  try {
    await program.parseAsync(words, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return reportFailure(error, words);
  }
}

function reportFailure(error: unknown, words: readonly string[]): number {
  const failure = failureOf(error);
  if (words.includes("--json")) process.stdout.write(`${JSON.stringify({ error: failure })}\n`);
  process.stderr.write(failureText(failure, colorsFor(process.stderr)));
  if (words.includes("--debug") && error instanceof Error)
    process.stderr.write(`${printableLines(trace(error))}\n`);
  return exitCodeOf(failure);
}

function trace(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${trace(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

/** `tagllm ... | head` is no error, and no exit in the middle of the engine's work, which ends in a crash. */
function whenReaderIsGone(stream: NodeJS.WriteStream, then: () => void): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    then();
  });
}

/** The commands; nothing runs until words are parsed. */
export function buildProgram(print: (result: Result, json: boolean) => void): Command {
  const program = new Command("tagllm")
    .description("Learn small input tags for a frozen language model from a table of domain data.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand(false);
  examples(program, [
    ["tagllm demo", "all three stages on molecules, in a few minutes"],
    ["tagllm inspect study.yaml", "see what the model will read"],
    ["tagllm train study.yaml", "learn the tags of a study"],
    ["tagllm predict --tag runs/study/tags/Solubility.safetensors --field smiles=CCO", "use one"],
  ]);

  const define = definer(program, print);
  tableCommands(define);
  studyCommands(define);
  useCommands(define);
  runCommands(define);
  tagCommands(define);
  baseCommands(define);
  for (const command of everyCommand(program)) reportUsage(command);
  return program;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** Commander's own messages in the form of all others. */
function reportUsage(command: Command): void {
  const full = [...ancestors(command), command].map((c) => c.name()).join(" ");
  command.configureOutput({ outputError: () => undefined });
  command.exitOverride((error) => {
    if (error.exitCode === 0 || error.code === "commander.help") throw error;
    const [problem = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
    const hint = rest.join(" ").replace(/^\((.*)\)$/, "$1");
    throw new UsageError(sentence(problem), hint ? `${hint} ${seeHelp(full)}` : seeHelp(full));
  });
}

function ancestors(command: Command): Command[] {
  return command.parent ? [...ancestors(command.parent), command.parent] : [];
}

function seeHelp(command: string): string {
  return `\`${command} --help\` shows how it is used.`;
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return capital.endsWith(".") ? capital : `${capital}.`;
}
