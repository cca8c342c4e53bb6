/** What a command has of the terminal: colours, width, progress on stderr, and Ctrl-C as an AbortSignal. */
import picocolors from "picocolors";
import { interruptSignal } from "./interrupt.ts";
import { Progress } from "./progress.ts";

export type Colors = ReturnType<typeof picocolors.createColors>;

export interface Io {
  /** For text that goes to stdout. */
  readonly colors: Colors;
  /** Columns of stdout; 100 where it is not a terminal. */
  readonly width: number;
  readonly progress: Progress;
  /** From the first call on, Ctrl-C ends the command through this signal instead of at once. */
  signal(): AbortSignal;
}

/** Colours on a terminal, unless NO_COLOR is set or it cannot; FORCE_COLOR has them everywhere. */
export function colorsFor(stream: NodeJS.WriteStream): Colors {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  const able = stream.isTTY === true && TERM !== "dumb";
  return picocolors.createColors(!NO_COLOR && (Boolean(FORCE_COLOR) || able));
}

export function terminalIo(): Io {
  const progress = new Progress(process.stderr);
  return {
    colors: colorsFor(process.stdout),
    width: process.stdout.isTTY ? Math.max(40, process.stdout.columns) : 100,
    progress,
    signal: () => interruptSignal((line) => progress.note(line)),
  };
}
