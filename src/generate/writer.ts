/**
 * Who writes a text: takes logits, says which tokens come next, and when it is over. One writer for a text whose
 * tokens are taken or drawn one by one (here), one that searches with beams (beams.ts).
 */
import type { Choose } from "./sampling.ts";

/** Why a text ended: an end token, a stop string, as many tokens as asked for, or no more positions in the base. */
export type Finish = "eos" | "stop" | "length" | "context";

/** A token that is to follow, and the tip (of those whose logits were given, by index) that it follows. */
export interface Continuation {
  readonly tip: number;
  readonly id: number;
}

export interface Writer {
  /** The tokens of the text, without the end token. A writer with beams has them when it has finished. */
  readonly ids: readonly number[];
  readonly finish: Finish | null;
  /** Most tips that go on at a time. */
  readonly tips: number;
  /** @param logits after each tip, [vocab]; at first after the prompt @returns nothing when it has finished */
  advance(logits: readonly Float32Array[]): readonly Continuation[];
}

/** When a text ends. */
export interface Ends {
  /** Tokens of the answer at most. */
  readonly maxTokens: number;
  /** Tokens that end it. */
  readonly eos: ReadonlySet<number>;
  /** Positions that the base has left behind the prompt. */
  readonly room: number;
}

export class SingleWriter implements Writer {
  readonly ids: number[] = [];
  finish: Finish | null = null;
  readonly tips = 1;
  private readonly seen: Set<number>;
  private readonly choose: Choose;
  private readonly ends: Ends;

  /** @param prompt its tokens; below 0 where a tag stands */
  constructor(prompt: Iterable<number>, choose: Choose, ends: Ends) {
    this.seen = new Set([...prompt].filter((id) => id >= 0));
    this.choose = choose;
    this.ends = ends;
  }

  advance([logits]: readonly Float32Array[]): readonly Continuation[] {
    const { maxTokens, eos, room } = this.ends;
    const id = this.choose(logits as Float32Array, this.seen);
    if (eos.has(id)) this.finish = "eos";
    else {
      this.ids.push(id);
      this.seen.add(id);
      if (this.ids.length === maxTokens) this.finish = "length";
      else if (this.ids.length >= room) this.finish = "context";
    }
    return this.finish ? [] : [{ tip: 0, id }];
  }

  /** Ends it from outside, where what it wrote has met a stop string. */
  stop(): void {
    this.finish = "stop";
  }
}
