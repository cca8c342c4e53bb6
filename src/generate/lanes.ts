/**
 * Texts that are written side by side on the engine: each has a lane of one program, which runs the newest token
 * (with beams, the newest of each) against the keys and values of all that is before it. A token's keys have a
 * slot of the cache; who follows whom is in the tokens, so beams share what they have in common and none is copied.
 */
import { makeBatch } from "../batch/feeds.ts";
import { KeyCache } from "../batch/key-cache.ts";
import { type Block, type Layout, layOut, withSpans } from "../batch/layout.ts";
import type { Runner } from "../batch/runner.ts";
import { roundLength, roundPast } from "../batch/sizes.ts";
import type { Feed } from "../engine/engine.ts";
import { FREE } from "../graph/graph.ts";
import type { ProgramSpec } from "../models/program.ts";

/** A token that was written. */
export interface Token {
  readonly id: number;
  readonly position: number;
  readonly slot: number;
  /** The one it follows; null behind the prompt. */
  readonly before: Token | null;
}

export interface NextToken {
  readonly id: number;
  readonly before: Token | null;
}

interface Lane {
  layout: Layout;
  /** Slot of the first token behind the prompt. */
  readonly first: number;
}

interface Step {
  readonly lane: number;
  readonly tokens: readonly Token[];
}

/** No position sees it. */
const UNSEEN = 2 ** 31 - 1;
const nothing: Block = { kind: "text", origin: 0, positions: new Int32Array(0) };

export class Lanes {
  private readonly runner: Runner;
  private readonly cache: KeyCache;
  /** Tokens of a lane that run together. */
  private readonly tips: number;
  private lanes: readonly (Lane | null)[];

  /** @param blocks stored blocks of a prompt, at most */
  constructor(runner: Runner, { count, tips, blocks }: { count: number; tips: number; blocks: number }) {
    this.runner = runner;
    this.tips = tips;
    this.cache = new KeyCache(runner.base, blocks + 1);
    this.lanes = new Array<null>(count).fill(null);
  }

  get count(): number {
    return this.lanes.length;
  }

  /** The logits after each prompt, [vocab]; its lane must be free. */
  async enter(entries: readonly { lane: number; layout: Layout }[]): Promise<Float32Array[]> {
    const { fixedShapes } = this.runner.options;
    for (const { lane, layout } of entries) {
      const fresh = layout.fresh.length;
      this.lanes = this.lanes.with(lane, { layout, first: fixedShapes ? roundLength(fresh) : fresh });
    }
    return this.begin(entries.map(({ lane }) => lane));
  }

  leave(lane: number): void {
    this.lanes = this.lanes.with(lane, null);
  }

  /** Lane i is from now on what was lane `from[i]`. */
  async rearrange(from: readonly (number | null)[]): Promise<void> {
    this.lanes = from.map((lane) => (lane === null ? null : (this.lanes[lane] ?? null)));
    await this.cache.arrange(from, this.cache.slots);
  }

  /** Runs what follows in each lane: the new tokens, and the logits after each. */
  async step(
    entries: readonly { lane: number; next: readonly NextToken[] }[],
  ): Promise<{ tokens: Token[]; logits: Float32Array[] }[]> {
    const steps = entries.map(({ lane, next }) => ({ lane, tokens: this.seat(lane, next) }));
    const changed = steps.filter(({ lane, tokens }) => this.changesRegime(lane, tokens));
    if (changed.length) await this.remake(changed);
    const logits = await this.run(steps);
    return steps.map(({ tokens }, i) => ({ tokens, logits: logits[i] as Float32Array[] }));
  }

  close(): Promise<void> {
    return this.cache.close();
  }

  private at(lane: number): Lane {
    return this.lanes[lane] as Lane;
  }

  private async begin(lanes: readonly number[]): Promise<Float32Array[]> {
    const sizes = this.lanes.map((lane) => lane?.layout.past.map((b) => b.positions.length) ?? []);
    const stored = this.cache.slots.slice(0, -1).map((_, b) => Math.max(1, ...sizes.map((s) => s[b] ?? 0)));
    const own = Math.max(...lanes.map((lane) => this.at(lane).first));
    await this.makeRoom([...stored, own]);
    return this.runner.begin(
      lanes.map((lane) => this.at(lane).layout),
      this.cache,
      lanes,
    );
  }

  /** Blocks grow and never shrink, so that few programs serve. */
  private async makeRoom(needed: readonly number[]): Promise<void> {
    const slots = needed.map((n, block) => Math.max(roundPast(n), this.cache.slots[block] as number));
    const from = Array.from(this.lanes.keys(), (lane) => (lane < this.cache.lanes ? lane : null));
    await this.cache.arrange(from, slots);
  }

  /** Gives new tokens the first slots that none of their predecessors has. */
  private seat(lane: number, next: readonly NextToken[]): Token[] {
    const { layout, first } = this.at(lane);
    const taken = new Set<number>();
    for (const { before } of next) for (const { slot } of chain(before)) taken.add(slot);
    let slot = first;
    return next.map(({ id, before }) => {
      while (taken.has(slot)) slot++;
      const position = before ? before.position + 1 : layout.query.prompt.ids.length;
      return { id, before, position, slot: slot++ };
    });
  }

  private changesRegime(lane: number, tokens: readonly Token[]): boolean {
    const length = (tokens[0] as Token).position + 1;
    const { whole } = this.at(lane).layout;
    return this.runner.base.architecture.ropes.some(
      (rope) => rope.regime(length) !== rope.regime(whole.length),
    );
  }

  /** All keys anew, where the text has become too long for the frequencies that they were rotated by. */
  private async remake(steps: readonly Step[]): Promise<void> {
    for (const { lane, tokens } of steps) {
      const own = this.at(lane);
      const length = (tokens[0] as Token).position + 1;
      const { query, past } = own.layout;
      const anew = layOut(query, this.runner.options.reuse, { start: 0, length });
      own.layout = withSpans(anew, ({ origin }) => past.some((block) => block.origin === origin));
    }
    await this.begin(steps.map(({ lane }) => lane));
    for (const { lane, tokens } of steps) {
      const levels = new Map<number, Set<Token>>();
      for (const { before } of tokens) {
        for (const token of chain(before))
          levels.set(token.position, (levels.get(token.position) ?? new Set()).add(token));
      }
      for (const [, level] of [...levels].sort(([a], [b]) => a - b))
        await this.run([{ lane, tokens: [...level] }]);
    }
  }

  /** Logits after each token of each step. */
  private async run(steps: readonly Step[]): Promise<Float32Array[][]> {
    const { base, options } = this.runner;
    const slots = Math.max(...steps.flatMap(({ tokens }) => tokens.map((t) => t.slot))) + 1;
    await this.makeRoom([...this.cache.slots.slice(0, -1), slots]);
    const shape = { batch: this.count, length: this.tips, past: this.cache.slots };
    const placed = steps.flatMap(({ lane, tokens }) =>
      tokens.map((token, offset) => ({ layout: this.layoutOf(lane, token), row: lane, offset })),
    );
    const batch = makeBatch(base.architecture, placed, shape, () => new Float32Array(0));
    const reads = this.count * this.tips;
    const free = this.tips === 1 && shape.past.length === 1 && !options.plain && base.engine.device === "cpu";
    const past = free ? [FREE] : shape.past;
    const spec: ProgramSpec = { ...shape, past, slots: 0, reads, result: { kind: "logits" } };
    const feeds = free ? withoutOwn(batch.feeds, this.count) : batch.feeds;
    const outputs = await base.run(
      spec,
      {
        ...feeds,
        ...this.cache.feeds(),
        reads: BigInt64Array.from({ length: reads }, (_, i) => BigInt(i)),
      },
      {
        signal: options.signal,
        keep: this.cache.writes(
          steps.flatMap(({ lane, tokens }) =>
            tokens.map(({ slot }, at) => ({ row: lane, at, count: 1, toRow: lane, toAt: slot })),
          ),
        ),
      },
    );
    const vocab = base.architecture.vocabSize;
    const logits = outputs.logits as Float32Array;
    return steps.map(({ lane, tokens }) =>
      tokens.map((_, i) => {
        const row = lane * this.tips + i;
        return logits.subarray(row * vocab, (row + 1) * vocab);
      }),
    );
  }

  /** What a token sees: the prompt's stored blocks, and of its lane's own block the prompt and its predecessors. */
  private layoutOf(lane: number, token: Token): Layout {
    const { layout } = this.at(lane);
    const { query } = layout;
    const ids = new Int32Array(token.position + 1);
    ids[token.position] = token.id;
    const own = new Int32Array(this.cache.slots.at(-1) as number).fill(UNSEEN);
    own.set(layout.fresh);
    for (const { slot, position } of chain(token.before)) own[slot] = position;
    const stored = this.cache.slots.slice(0, -1).map((_, b) => layout.past[b] ?? nothing);
    return {
      query: { ...query, prompt: { ...query.prompt, ids, slots: [] } },
      past: [...stored, { kind: "text", origin: 0, positions: own }],
      fresh: Int32Array.of(token.position),
      whole: layout.whole,
    };
  }
}

/** Masks without the last position of each of `rows`, the token's own. */
function withoutOwn(feeds: Record<string, Feed>, rows: number): Record<string, Feed> {
  const cut = (bias: Float32Array): Float32Array => {
    const width = bias.length / rows;
    return bias.filter((_, i) => (i + 1) % width !== 0);
  };
  return Object.fromEntries(
    Object.entries(feeds).map(([name, feed]) => [
      name,
      name.startsWith("bias") ? cut(feed as Float32Array) : feed,
    ]),
  );
}

/** A token and those before it, back to the prompt. */
function* chain(token: Token | null): Generator<Token> {
  for (let t = token; t; t = t.before) yield t;
}
