/** events.jsonl: what happened in a run, one line an event, in order. */
import { closeSync, fdatasync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { TagllmError } from "../errors.ts";
import { writeProblem } from "./run-folder.ts";

export class EventLog {
  private readonly folder: string;
  private readonly descriptor: number;
  private written: number;

  /** A line that a power cut left half written is cut off. */
  constructor(folder: string, file: string) {
    this.folder = folder;
    try {
      this.descriptor = openSync(file, "a");
      this.written = fstatSync(this.descriptor).size;
      const whole = this.written === 0 ? 0 : readFileSync(file).lastIndexOf("\n") + 1;
      if (whole < this.written) ftruncateSync(this.descriptor, whole);
      this.written = whole;
    } catch (cause) {
      throw writeProblem(folder, cause);
    }
  }

  /** Bytes of all events so far. */
  get bytes(): number {
    return this.written;
  }

  /** Lines are short and few, so they are written at once: none is lost and none can fail unseen. */
  add(event: object): void {
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    try {
      for (let at = 0; at < line.length; ) at += writeSync(this.descriptor, line, at);
    } catch (cause) {
      throw writeProblem(this.folder, cause);
    }
    this.written += line.length;
  }

  /** Makes all events so far last through a power cut; before anything is written that counts their bytes. */
  async flush(): Promise<void> {
    try {
      await promisify(fdatasync)(this.descriptor);
    } catch (cause) {
      throw writeProblem(this.folder, cause);
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** What the log says; empty before there is one. @throws run/damaged */
export async function readEvents<Event>(file: string): Promise<Event[]> {
  const log = await readFile(file, "utf8").catch(() => "");
  return wholeLines(log).flatMap((line, i) => (line.trim() === "" ? [] : [eventOf<Event>(line, i, file)]));
}

/** The lines of a log, without one at its end that a power cut left half written. */
export const wholeLines = (log: string): string[] => log.split("\n").slice(0, -1);

function eventOf<Event>(line: string, at: number, file: string): Event {
  try {
    const event: unknown = JSON.parse(line);
    if (typeof event === "object" && event !== null) return event as Event;
    throw new Error(`it is ${line}`);
  } catch (cause) {
    const problem = `Line ${at + 1} of ${file} is no event: ${(cause as Error).message}.`;
    throw new TagllmError(
      "run/damaged",
      problem,
      "Empty that line, with as many blanks: the run goes on without the event.",
      {
        cause,
      },
    );
  }
}
