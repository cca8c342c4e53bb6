/**
 * Progress on stderr: on a terminal one line that is rewritten, elsewhere a line now and then. Notes stay.
 * Rates are measured over the last seconds, so the time left follows a change of pace.
 */
import { printableLines } from "./result.ts";
import { printable } from "./table.ts";

interface Target {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Milliseconds between two lines: on a terminal, and elsewhere. */
const terminalPause = 100;
const logPause = 20_000;

export class Progress {
  private readonly target: Target;
  private readonly now: () => number;
  private shown = false;
  private lastLine: number;

  constructor(target: Target, now: () => number = () => performance.now()) {
    this.target = target;
    this.now = now;
    this.lastLine = this.target.isTTY ? Number.NEGATIVE_INFINITY : now();
  }

  /** What is going on at this moment; dropped when the last one was just shown. */
  update(line: string): void {
    const pause = this.target.isTTY ? terminalPause : logPause;
    if (this.now() - this.lastLine < pause) return;
    this.lastLine = this.now();
    if (!this.target.isTTY) {
      this.target.write(`${printable(line)}\n`);
      return;
    }
    this.target.write(`\r\u001b[2K${cut(printable(line), (this.target.columns ?? 80) - 1)}`);
    this.shown = true;
  }

  /** A line that stays. */
  note(line: string): void {
    this.clear();
    this.target.write(`${printableLines(line)}\n`);
  }

  /** Takes the rewritten line away; call it before writing anything else. */
  clear(): void {
    if (this.shown) this.target.write("\r\u001b[2K");
    this.shown = false;
    this.lastLine = this.target.isTTY ? Number.NEGATIVE_INFINITY : this.now();
  }
}

function cut(line: string, width: number): string {
  return line.length > width ? `${line.slice(0, Math.max(1, width - 1))}…` : line;
}

/** Steps per second over the last `window` milliseconds. */
export class Rate {
  private readonly window: number;
  private readonly now: () => number;
  private marks: { time: number; done: number }[] = [];

  constructor(window = 15_000, now: () => number = () => performance.now()) {
    this.window = window;
    this.now = now;
  }

  /** Says that `done` steps are done; returns steps per second, or null while it cannot be told. */
  mark(done: number): number | null {
    const time = this.now();
    this.marks.push({ time, done });
    while (this.marks.length > 2 && time - this.marks[1]!.time >= this.window) this.marks.shift();
    const first = this.marks[0]!;
    return time > first.time ? ((done - first.done) * 1000) / (time - first.time) : null;
  }
}

/** "0.4 s", "42 s", "3 min 20 s", "2 h 05 min". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
