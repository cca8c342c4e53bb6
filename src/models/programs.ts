/** A base's compiled programs, one for each shape; those used longest ago make room for new ones. */
import type { Feed, HostArray, Program, RunOptions } from "../engine/engine.ts";
import type { ProgramSpec } from "./program.ts";

/**
 * Layers of all programs. One of a program takes some 0.4 MB; what is dropped too early costs its compilation again, and
 * a study of 30,000 pairs runs 179 shapes (examples/davis).
 */
const LAYERS = 4096;
/** A program has threads of its own, and containers and users may have few thousand. */
const THREADS = 2048;
/** Copies of weights in programs take as much, or twice what the largest of them has. */
const COPIED_BYTES = 2 ** 31;

/** Programs of a base of so many layers that are held, each with so many threads. */
export const programLimit = (layers: number, threads: number): number =>
  Math.max(8, Math.floor(Math.min(LAYERS / layers, THREADS / Math.max(1, threads - 1))));

interface Held {
  readonly program: Promise<Program>;
  runs: number;
  copiedBytes: number;
}

export class Programs {
  private readonly compile: (spec: ProgramSpec) => Promise<Program>;
  private readonly limit: number;
  private readonly copied: number;
  /** By shape, the one used longest ago first. */
  private readonly held = new Map<string, Held>();

  /**
   * Programs that are not running are dropped beyond these.
   * @param limit programs
   * @param copied bytes of weights that they hold copies of
   */
  constructor(compile: (spec: ProgramSpec) => Promise<Program>, limit: number, copied = COPIED_BYTES) {
    this.compile = compile;
    this.limit = limit;
    this.copied = copied;
  }

  async run(
    spec: ProgramSpec,
    feeds: Record<string, Feed>,
    options?: RunOptions,
  ): Promise<Record<string, HostArray>> {
    const held = this.take(spec);
    held.runs++;
    try {
      return await (await held.program).run(feeds, options);
    } finally {
      held.runs--;
    }
  }

  private take(spec: ProgramSpec): Held {
    const key = JSON.stringify(spec);
    const known = this.held.get(key);
    this.held.delete(key);
    const held = known ?? { program: this.make(spec), runs: 0, copiedBytes: 0 };
    this.held.set(key, held);
    if (!known) {
      held.program.then(
        ({ copiedBytes }) => {
          held.copiedBytes = copiedBytes;
        },
        () => this.held.delete(key),
      );
    }
    return held;
  }

  private async make(spec: ProgramSpec): Promise<Program> {
    await Promise.allSettled(this.takeSurplus().map(async (program) => (await program).drop()));
    return this.compile(spec);
  }

  /** Takes out what must go for one more to have room. */
  private takeSurplus(): Promise<Program>[] {
    const copies = [...this.held.values()].map(({ copiedBytes }) => copiedBytes);
    let bytes = copies.reduce((n, c) => n + c, 0);
    const most = Math.max(this.copied, 2 * Math.max(0, ...copies));
    const surplus: Promise<Program>[] = [];
    for (const [key, { program, runs, copiedBytes }] of this.held) {
      const full = this.held.size >= this.limit;
      if (!full && bytes <= most) break;
      if (runs > 0 || (!full && copiedBytes === 0)) continue;
      this.held.delete(key);
      bytes -= copiedBytes;
      surplus.push(program);
    }
    return surplus;
  }
}
