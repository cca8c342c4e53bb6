/**
 * How a command is defined: its words, its examples, its options, and the function that does it. Shared options
 * and the parsers of their values are here; the commands themselves are in the files beside this one.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { precisions } from "../../engine/precision.ts";
import { type Io, terminalIo } from "../io.ts";
import type { Result } from "../result.ts";

/** `rest` holds what an argument of several words was given. */
export type Action = (
  io: Io,
  words: string[],
  options: Record<string, unknown>,
  rest: string[],
) => Promise<Result>;

export type Example = readonly [command: string, what: string];

/** What the files of commands are given to add theirs. */
export interface Define {
  readonly program: Command;
  add(parent: Command, name: string, about: string, shown: readonly Example[], action: Action): Command;
  group(name: string, about: string, shown: readonly Example[]): Command;
}

export function definer(program: Command, print: (result: Result, json: boolean) => void): Define {
  const add = (parent: Command, name: string, about: string, shown: readonly Example[], action: Action) => {
    const command = parent.command(name).description(about).helpOption("-h, --help", "show help");
    examples(command, shown);
    return command.action(async (...all: unknown[]) => {
      const options = command.opts<Record<string, unknown>>();
      const io = terminalIo();
      try {
        const given = all.slice(0, -2).filter((word) => typeof word === "string");
        const rest = all.slice(0, -2).filter(Array.isArray).flat() as string[];
        print(await action(io, given, options, rest), options.json === true);
      } finally {
        io.progress.clear();
      }
    });
  };
  const group = (name: string, about: string, shown: readonly Example[]) => {
    const command = program.command(name).description(about).helpOption("-h, --help", "show help");
    examples(command, shown);
    return command.helpCommand(false);
  };
  return { program, add, group };
}

export function answerOption(): Option {
  const about = "what to predict (default: what the column holds)";
  return new Option("--answer <kind>", about).choices(["number", "class"]);
}

export function examples(command: Command, shown: readonly Example[]): void {
  const width = Math.max(...shown.map(([line]) => line.length));
  const lines = shown.map(([line, what]) =>
    width > 60 ? `  # ${what}\n  ${line}` : `  ${line.padEnd(width)}  # ${what}`,
  );
  command.addHelpText("before", `Examples:\n${lines.join("\n")}\n`);
}

export function common(command: Command): Command {
  return command
    .option("--json", "one JSON object on stdout")
    .option("--debug", "with an error, also where in the code it came from");
}

export function engineOptions(command: Command): Command {
  command
    .option("--device <name>", "cpu or webgpu", device)
    .option("--threads <number>", "threads of the engine (default: all cores)", oneOrMore)
    .addOption(
      new Option("--precision <kind>", "of the base's products (default: f32)").choices([
        "auto",
        ...precisions,
      ]),
    );
  return common(command);
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

export function oneOrMore(text: string): number {
  const count = wholeNumber(text);
  if (count > 0) return count;
  throw new InvalidArgumentError("It must be 1 or more.");
}

export function number(text: string): number {
  if (text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  throw new InvalidArgumentError("It must be a number.");
}

export function texts(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

export function seconds(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${text} is not a positive number.`);
}

export function wholeNumbers(text: string, before: number[] | undefined): number[] {
  return [...(before ?? []), wholeNumber(text)];
}

export function fields(text: string, before: Record<string, string> | undefined): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be name=value.");
  const name = text.slice(0, at);
  if (before && Object.hasOwn(before, name))
    throw new InvalidArgumentError(`It gives ${name} a second time.`);
  return { ...before, [name]: text.slice(at + 1) };
}

function device(text: string): string {
  if (text !== "cpu" && text !== "webgpu") throw new InvalidArgumentError("It must be cpu or webgpu.");
  return text;
}
