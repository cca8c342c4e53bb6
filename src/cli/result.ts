/**
 * How a command ends: a result on stdout, as text or as one JSON object, or a failure - on stderr for people,
 * with --json also on stdout for programs. A stack trace is shown only with --debug.
 */

import { TagllmError } from "../errors.ts";
import type { Colors } from "./io.ts";
import { printable } from "./table.ts";

export interface Result {
  /** For people. */
  text: string;
  /** For programs: what --json prints. */
  json: object;
  /** False when the command worked and what it looked at is not in order. */
  ok?: boolean;
  /** True when Ctrl-C came first, and the result is what there was until then. */
  interrupted?: boolean;
}

export const exitCodes = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** An error in the words of the command line. */
export interface Failure {
  code: string;
  problem: string;
  cure: string;
  /** What else a program may want to know, by name. */
  [detail: string]: unknown;
}

/** A command line that cannot be understood. */
export class UsageError extends Error {
  readonly cure: string;
  readonly details: object;

  /** @param details what --json has besides */
  constructor(problem: string, cure: string, details: object = {}) {
    super(problem);
    this.cure = cure;
    this.details = details;
  }
}

export function failureOf(error: unknown): Failure {
  if (error instanceof TagllmError) return { code: error.code, problem: error.problem, cure: error.cure };
  if (error instanceof UsageError)
    return { code: "usage", problem: error.message, cure: error.cure, ...error.details };
  const problem = error instanceof Error ? error.message : String(error);
  if (isSystemError(error)) {
    return { code: "system", problem, cure: "Check the path, your rights to it and the space on the disk." };
  }
  const cure = "This is a defect of tagllm. Please report it with what `--debug` prints in addition.";
  return { code: "internal", problem: problem || "Something failed without saying why.", cure };
}

export function exitCodeOf({ code }: Failure): number {
  if (code === "usage") return exitCodes.usage;
  return code === "aborted" ? exitCodes.interrupted : exitCodes.failure;
}

/** Two lines or more: what is wrong, and below it what to do. */
export function failureText({ code, problem, cure }: Failure, colors: Colors): string {
  const title = code === "aborted" ? colors.yellow("interrupted") : colors.red(`error[${code}]`);
  const indented = printableLines(cure).replaceAll("\n", "\n  ");
  return `${title}: ${printableLines(problem.trimEnd())}\n  ${indented}\n`;
}

/** Text of several lines in which a stranger's may stand. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n");

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return (
    error instanceof Error && "syscall" in error && typeof (error as NodeJS.ErrnoException).code === "string"
  );
}
