/** events.jsonl: what happened in a run, one line an event, in order. */
import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { writeProblem } from "./run-folder.ts";

export class EventLog {
  private readonly folder: string;
  private readonly descriptor: number;
  private written: number;

  constructor(folder: string, file: string) {
    this.folder = folder;
    try {
      this.descriptor = openSync(file, "a");
      this.written = fstatSync(this.descriptor).size;
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

  close(): void {
    closeSync(this.descriptor);
  }
}
