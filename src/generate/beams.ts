/**
 * Beam search for one text, as Hugging Face's generate does it: of all continuations of the beams the likeliest go
 * on; those that end are compared by log-probability / length ^ lengthPenalty.
 */
import { leaveOut, penaliseRepetition } from "./sampling.ts";
import type { Continuation, Ends, Finish, Writer } from "./writer.ts";

export interface BeamOptions {
  readonly beams: number;
  /** Above 0 longer texts are preferred, below 0 shorter ones. */
  readonly lengthPenalty: number;
  /**
   * true: over as soon as there are as many finished texts as beams. false: over when the best beam, at its present
   * length, is no better than the worst finished text. "never": over when no beam can become better than it.
   */
  readonly earlyStopping: boolean | "never";
  readonly repetitionPenalty: number;
}

interface Beam {
  readonly ids: readonly number[];
  /** Sum of log-probabilities. */
  readonly score: number;
}

interface Finished extends Beam {
  readonly finish: Finish;
}

interface Candidate extends Beam {
  readonly tip: number;
  readonly id: number;
}

export class BeamWriter implements Writer {
  ids: readonly number[] = [];
  finish: Finish | null = null;
  /** Of the text that was chosen: log-probability / length ^ lengthPenalty. */
  score = Number.NEGATIVE_INFINITY;
  readonly tips: number;
  private readonly prompt: readonly number[];
  private readonly options: BeamOptions;
  private readonly ends: Ends;
  private readonly stops: (ids: readonly number[]) => boolean;
  private readonly never: readonly number[];
  private running: readonly Beam[] = [{ ids: [], score: 0 }];
  /** The best first. */
  private finished: readonly Finished[] = [];
  /** Whether a beam could still become better than what is finished. */
  private improvable = true;

  /**
   * @param stops whether a text has met a stop string
   * @param never ids that are not to be chosen
   */
  constructor(
    prompt: Iterable<number>,
    options: BeamOptions,
    ends: Ends,
    stops: (ids: readonly number[]) => boolean = () => false,
    never: readonly number[] = [],
  ) {
    this.prompt = [...prompt].filter((id) => id >= 0);
    this.options = options;
    this.ends = ends;
    this.stops = stops;
    this.never = never;
    this.tips = options.beams;
  }

  advance(logits: readonly Float32Array[]): readonly Continuation[] {
    const { beams, earlyStopping } = this.options;
    const candidates = this.candidates(logits);
    const ended = candidates.map((c) => this.endOf(c));
    const going = candidates.filter((_, i) => ended[i] === null).slice(0, beams);
    // The others are only there so that enough go on: what is not among the best may not finish.
    const done = candidates.slice(0, beams).flatMap((c, i) => {
      const finish = ended[i];
      return finish
        ? [{ ids: finish === "eos" ? c.ids.slice(0, -1) : c.ids, score: this.normalised(c), finish }]
        : [];
    });
    const full = earlyStopping === true && this.finished.length === beams;
    if (this.improvable && !full)
      this.finished = [...this.finished, ...done].sort((a, b) => b.score - a.score).slice(0, beams);
    this.running = going;
    this.improvable &&= this.canImprove();
    const complete = earlyStopping === true && this.finished.length === beams;
    if (going.length > 0 && this.improvable && !complete) return going.map(({ tip, id }) => ({ tip, id }));
    const best = this.finished[0] as Finished;
    this.ids = best.ids;
    this.finish = best.finish;
    this.score = best.score;
    return [];
  }

  /** The likeliest continuations: enough of them that as many as there are beams do not end. */
  private candidates(logits: readonly Float32Array[]): Candidate[] {
    const { beams, repetitionPenalty } = this.options;
    const count = Math.max(2, 1 + this.ends.eos.size) * beams;
    const all: { tip: number; id: number; score: number }[] = [];
    this.running.forEach(({ ids, score }, tip) => {
      const seen = new Set([...this.prompt, ...ids]);
      const possible = leaveOut(logits[tip] as Float32Array, this.never);
      const scores = penaliseRepetition(logSoftmax(possible), seen, repetitionPenalty);
      for (const id of likeliest(scores, count)) all.push({ tip, id, score: score + (scores[id] as number) });
    });
    return all
      .sort((a, b) => b.score - a.score || a.tip - b.tip || a.id - b.id)
      .slice(0, count)
      .map((c) => ({ ...c, ids: [...(this.running[c.tip] as Beam).ids, c.id] }));
  }

  private endOf({ ids, id }: Candidate): Finish | null {
    if (this.ends.eos.has(id)) return "eos";
    if (this.stops(ids)) return "stop";
    if (ids.length >= this.ends.maxTokens) return "length";
    return ids.length >= this.ends.room ? "context" : null;
  }

  private normalised({ ids, score }: Beam): number {
    return score / ids.length ** this.options.lengthPenalty;
  }

  private canImprove(): boolean {
    const { beams, lengthPenalty, earlyStopping } = this.options;
    const best = this.running[0];
    if (!best) return false;
    if (this.finished.length < beams) return true;
    const longest = Math.min(this.ends.maxTokens, this.ends.room);
    const length = earlyStopping === "never" && lengthPenalty > 0 ? longest : best.ids.length;
    return best.score / length ** lengthPenalty > (this.finished.at(-1) as Finished).score;
  }
}

function logSoftmax(logits: Float32Array): Float32Array {
  const top = logits.reduce((a, b) => Math.max(a, b));
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - top);
  const shift = top + Math.log(sum);
  return logits.map((x) => x - shift);
}

/** Indices of the `count` largest values, in no order beyond that; fewer where no more are possible. */
function likeliest(values: Float32Array, count: number): number[] {
  const least = values.toSorted()[Math.max(0, values.length - count)] as number;
  const indices: number[] = [];
  for (const [i, x] of values.entries()) if (x >= least && x > Number.NEGATIVE_INFINITY) indices.push(i);
  return indices;
}
