/**
 * A measured program in a process of its own, so that its memory is its own: it says "ready" after its warm-up,
 * then answers every request line on stdin with one line of JSON, and "end" with its last one.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export class MeasuredChild {
  readonly name: string;
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private complaints = "";

  private constructor(name: string, command: string, words: readonly string[]) {
    this.name = name;
    this.child = spawn(command, words, { stdio: ["pipe", "pipe", "pipe"] });
    this.child.on("error", (error) => {
      this.complaints += error.message;
    });
    this.child.stdin?.on("error", () => undefined);
    this.child.stderr?.on("data", (chunk) => {
      this.complaints += chunk;
    });
    this.lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]();
  }

  /** Resolves when the program is warm. */
  static async start(name: string, command: string, words: readonly string[]): Promise<MeasuredChild> {
    const child = new MeasuredChild(name, command, words);
    const first = await child.line();
    if (first !== "ready") throw new Error(`${name} said ${JSON.stringify(first)} instead of "ready"`);
    return child;
  }

  async ask<Answer>(request: string): Promise<Answer> {
    this.child.stdin?.write(`${request}\n`);
    return JSON.parse(await this.line()) as Answer;
  }

  /** Seconds of processor time so far, of all its threads; null where the system does not tell. */
  cpuSeconds(): number | null {
    try {
      const stat = readFileSync(`/proc/${this.child.pid}/stat`, "utf8");
      const [user, system] = stat
        .slice(stat.lastIndexOf(")") + 2)
        .split(" ")
        .slice(11, 13)
        .map(Number);
      return ((user as number) + (system as number)) / 100;
    } catch {
      return null;
    }
  }

  kill(): void {
    this.child.kill();
  }

  private async line(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (!done) return value;
    throw new Error(`${this.name} ended: ${this.complaints.trim().split("\n").at(-1) || "it said nothing"}`);
  }
}
