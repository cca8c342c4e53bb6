/** A base's compiled programs, one for each shape; those used longest ago make room for new ones. */
import type { Feed, HostArray, Program, RunOptions } from "../engine/engine.ts";
import type { ProgramSpec } from "./program.ts";

/**
 * Layers of all programs. One of a program takes some 0.4 MB; what is dropped too early costs its compilation again, and
 * a study of 30,000 pairs runs 179 shapes (examples/davis).
 */
const LAYERS = 4096;

/** Programs of a base of so many layers that are held. */
export const programLimit = (layers: number): number => Math.max(32, Math.floor(LAYERS / layers));

interface Held {
  readonly program: Promise<Program>;
  runs: number;
}

export class Programs {
  private readonly compile: (spec: ProgramSpec) => Promise<Program>;
  private readonly limit: number;
  /** By shape, the one used longest ago first. */
  private readonly held = new Map<string, Held>();

  /** @param limit beyond it programs that are not running are dropped */
  constructor(compile: (spec: ProgramSpec) => Promise<Program>, limit: number) {
    this.compile = compile;
    this.limit = limit;
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
    const held = known ?? { program: this.make(spec), runs: 0 };
    this.held.set(key, held);
    if (!known) held.program.catch(() => this.held.delete(key));
    return held;
  }

  private async make(spec: ProgramSpec): Promise<Program> {
    await Promise.allSettled(this.takeSurplus().map(async (program) => (await program).drop()));
    return this.compile(spec);
  }

  /** Takes out what must go for one more to have room. */
  private takeSurplus(): Promise<Program>[] {
    const surplus: Promise<Program>[] = [];
    for (const [key, { program, runs }] of this.held) {
      if (this.held.size < this.limit) break;
      if (runs > 0) continue;
      this.held.delete(key);
      surplus.push(program);
    }
    return surplus;
  }
}
