/**
 * Which blocks of keys and values there are: in the engine's memory as far as its room goes, in files if there is
 * a place for them, and else to be computed again. Names say all that a block depends on, so one store serves every
 * runner of a base: stages, seeds and tags that share a prefix share its blocks. Stores know nothing of each other.
 */
import type { ResidentFile } from "../engine/protocol.ts";
import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import type { BlockFiles } from "./block-files.ts";

export interface StoreOptions {
  /** Bytes of blocks in memory; more only where one run needs them. Default: 1 GB. */
  readonly memory?: number;
  /** @internal */
  readonly files?: BlockFiles | null;
}

/** Some 10 MB of names. */
const MOST_MET = 100_000;

let stores = 0;

export class BlockStore {
  readonly memory: number;
  /** @internal */
  readonly base: Base;
  private readonly files: BlockFiles | null;
  /** Positions of each block in memory, the longest unused first. */
  private readonly held = new Map<string, number>();
  /** Blocks that were asked for, whether or not they were stored. */
  private readonly met = new Set<string>();
  private bytes = 0;
  /** The engine holds blocks of all stores of a base. */
  private readonly name = `store ${stores++}`;
  private last: Promise<unknown> = Promise.resolve();

  constructor(base: Base, options: StoreOptions = {}) {
    this.base = base;
    this.memory = options.memory ?? 1e9;
    this.files = options.files ?? null;
  }

  /** @throws store/base @internal */
  requireBase(base: Base): void {
    if (this.base === base) return;
    throw new TagllmError(
      "store/base",
      `The store holds keys and values of ${this.base.name}, loaded before; the prompts are for another base (${base.name}).`,
      "Make a BlockStore of the base that answers.",
    );
  }

  /**
   * One work after the other: what one has brought is not released for another before it has run.
   * @internal
   */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }

  /**
   * Brings what can be brought of the blocks (positions by name) into memory, and makes room for the others, which
   * are returned: they are to be computed and given to `keep`.
   * @internal
   */
  async bring(blocks: ReadonlyMap<string, number>): Promise<ReadonlySet<string>> {
    const absent = new Map<string, number>();
    for (const [key, positions] of blocks) {
      if (this.held.delete(key)) this.held.set(key, positions);
      else absent.set(key, positions);
    }
    await this.makeRoom(blocks, absent);
    const missing = new Set(absent.keys());
    const { files } = this;
    if (!files) return missing;
    const there = [...absent].filter(([key]) => files.has(key));
    const read = await this.base.engine.read(
      there.map(([key, positions]) => this.fileOf(files, key, positions)),
    );
    there.forEach(([key, positions], i) => {
      if (read[i]) {
        missing.delete(key);
        this.hold(key, positions);
      } else files.forget(key);
    });
    files.used(blocks.keys());
    return missing;
  }

  /** Takes blocks that the engine has just computed. @internal */
  async keep(blocks: ReadonlyMap<string, number>): Promise<void> {
    for (const [key, positions] of blocks) this.hold(key, positions);
    const { files } = this;
    if (!files) return;
    const admitted: ResidentFile[] = [];
    for (const [key, positions] of blocks) {
      if (await files.admit(key, this.bytesOf(positions))) admitted.push(this.fileOf(files, key, positions));
    }
    await this.base.engine.write(admitted);
  }

  /** Whether a block is there or can be read. @internal */
  has(key: string): boolean {
    return this.held.has(key) || (this.files?.has(key) ?? false);
  }

  /** Whether a block was asked for before; from now on it was. @internal */
  meets(key: string): boolean {
    if (this.met.has(key)) return true;
    if (this.met.size >= MOST_MET) this.met.clear();
    this.met.add(key);
    return false;
  }

  /** @internal */
  bytesOf(positions: number): number {
    return positions * positionBytes(this.base);
  }

  /** Empties the memory; files stay, until the room on disk is needed. */
  async clear(): Promise<void> {
    await this.alone(() => this.release([...this.held.keys()]));
    this.files?.unused();
  }

  /** Under which name the engine keeps a part of a block. @internal */
  residentName(key: string, part: "key" | "value", layer: number): string {
    return `${this.name}/${key}/${part}.${layer}`;
  }

  private residentNames(key: string): string[] {
    return Array.from({ length: this.base.architecture.layers }, (_, l) => [
      this.residentName(key, "key", l),
      this.residentName(key, "value", l),
    ]).flat();
  }

  private hold(key: string, positions: number): void {
    this.held.set(key, positions);
    this.bytes += this.bytesOf(positions);
  }

  /** What can be read again goes first, and of that and of the rest the longest unused. */
  private async makeRoom(
    wanted: ReadonlyMap<string, number>,
    absent: ReadonlyMap<string, number>,
  ): Promise<void> {
    let over = this.bytes - this.memory;
    for (const positions of absent.values()) over += this.bytesOf(positions);
    if (over <= 0) return;
    const gone = new Set<string>();
    const free = [...this.held].filter(([key]) => !wanted.has(key));
    const filed = free.filter(([key]) => this.files?.has(key));
    for (const [key, positions] of [...filed, ...free]) {
      if (over <= 0) break;
      if (gone.has(key)) continue;
      gone.add(key);
      over -= this.bytesOf(positions);
    }
    await this.release([...gone]);
  }

  private async release(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    for (const key of keys) {
      this.bytes -= this.bytesOf(this.held.get(key) as number);
      this.held.delete(key);
    }
    await this.base.engine.release(keys.flatMap((key) => this.residentNames(key)));
  }

  private fileOf(files: BlockFiles, key: string, positions: number): ResidentFile {
    const { kvHeads, headDim } = this.base.architecture;
    return {
      path: files.path(key),
      names: this.residentNames(key),
      shape: [kvHeads, positions, headDim],
    };
  }
}

/** Bytes of the keys and values of one position in all layers, f32. */
export const positionBytes = ({ architecture: a }: Base): number => a.layers * 2 * a.kvHeads * a.headDim * 4;
