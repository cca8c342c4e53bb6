/**
 * Signs of a training that goes wrong, seen in its events and in what came of it, each with the likely cause and
 * what to do. One table of signs; docs/training.md lists the same. It watches and says; it changes nothing.
 */
import type { TrainEvent, Validation } from "../train/trainer.ts";
import type { Metrics } from "./methods.ts";
import type { StageOutcome, TaskScores } from "./stages.ts";
import type { TaskKind } from "./tasks.ts";

export const signs = {
  "no-gradient": {
    cause: "what the tag is asked does not depend on the tag: every prompt is the same, or the head is zero",
    cure: "Look at the prompts with tagllm inspect, and at whether the fields of the template differ between rows.",
  },
  "no-movement": {
    cause: "the learning rate is too low for so few steps",
    cure: "Raise rate (or learningRate), or take more steps.",
  },
  "flat-validation": {
    cause: "the tag moves and the base does not follow, or the rows hold nothing that the target depends on",
    cure: "Compare with the linear probe: if that is no better than a constant, the fields do not tell the target; otherwise try another rate, more vectors or init: { noise: 0.3 }.",
  },
  "large-rows": {
    cause: "the learning rate is too high: vectors this far from the embeddings saturate the base",
    cure: "Lower rate (or learningRate), or set a weightDecay.",
  },
  "loss-spikes": {
    cause: "the learning rate is too high, or some targets are extreme",
    cure: "Lower rate, take a larger batch, or look for outliers among the targets.",
  },
  "not-improved": {
    cause:
      "the rate is too high or too low, or the tag as initialised is already as good as the head can use",
    cure: "Try a third and three times the rate; an untrained tag with a solved head is a fair result.",
  },
  overfitting: {
    cause: "there are too few rows for so many steps or vectors",
    cure: "Give more rows, fewer vectors (length) or fewer steps; keep: best, the default, keeps the values of the best one.",
  },
  "small-validation": {
    cause: "the validation side is too small for the differences that it chooses by",
    cure: "Give it more rows or groups (split.validation), or take the last step (keep: last); or read the choice of step and penalty as chance.",
  },
  "no-difference": {
    cause: "the answers come from the rest of the prompt and the head alone",
    cure: "The untrained tag does the same; raise rate or steps if training should matter.",
  },
  "largest-penalty": {
    cause: "the head overfits, and head.penalties ends before the penalty that it needs",
    cure: "Add penalties ten and a hundred times as large to head.penalties, or give more rows.",
  },
  "no-better-than-constant": {
    cause: "the fields do not tell the target, or there are too few rows to learn it from",
    cure: "Check that the target belongs to the rows (labels not shuffled or joined wrongly), and compare with the other baselines.",
  },
} as const;

export type Sign = keyof typeof signs;

export interface Diagnosis {
  readonly sign: Sign;
  /** The step at which it was seen. */
  readonly step: number;
  /** What was measured, in one sentence. */
  readonly problem: string;
}

export const diagnosisText = ({ sign, problem }: Diagnosis): string =>
  `${problem} Likely cause: ${signs[sign].cause}. ${signs[sign].cure}`;

export interface WatchedStage {
  readonly kind: TaskKind;
  readonly steps: number;
  readonly keep: "best" | "last";
  readonly validationRows: number;
  /** Groups of the split among them, whose rows are alike. */
  readonly validationGroups: number;
  /** Mean norm of a row of the trained tags before the first step. */
  readonly startNorm: number;
  /** Mean norm of an embedding row, and root mean square of its numbers. */
  readonly meanNorm: number;
  readonly rms: number;
}

const text = (value: number): string => Number(value.toPrecision(3)).toString();
const mean = (values: readonly number[]): number => values.reduce((s, v) => s + v, 0) / values.length;

/** Sizes below which nothing is said: so few steps or rows show no trend. */
const fewestSteps = 10;
const zeroGradient = 1e-8;
const timesNorm = 5;
const timesLoss = 8;
const spikeCount = 3;
/** Relative change of the validation loss that counts as none. */
const flat = 1e-3;

/** Looks on while a stage trains; each sign is found once. */
export class Watch {
  private readonly stage: WatchedStage;
  private readonly found = new Set<Sign>();
  private readonly losses: number[] = [];
  private readonly validations: { step: number; loss: number }[] = [];
  private zeros = 0;
  private spikes = 0;
  /** The furthest that a number of a tag can have moved. */
  private reach = 0;

  constructor(stage: WatchedStage) {
    this.stage = stage;
  }

  /** What this event shows that was not seen before. */
  see(event: TrainEvent): Diagnosis[] {
    if (event.kind === "validation") {
      this.validations.push(event);
      return [];
    }
    const { step, gradientNorm, rowNorm, loss, learningRate } = event;
    const findings: Diagnosis[] = [];
    this.reach += learningRate;
    this.zeros = gradientNorm < zeroGradient ? this.zeros + 1 : 0;
    if (this.zeros === 3) {
      findings.push({
        sign: "no-gradient",
        step,
        problem: `The gradient has been ${text(gradientNorm)} for three steps: the tag does not train.`,
      });
    }
    const normal = Math.max(this.stage.startNorm, this.stage.meanNorm);
    if (rowNorm > timesNorm * normal) {
      findings.push({
        sign: "large-rows",
        step,
        problem: `At step ${step} the vectors have a mean norm of ${text(rowNorm)}, ${text(rowNorm / normal)} times that of an embedding or of the tag at its start.`,
      });
    }
    const recent = this.losses.slice(-25).toSorted((a, b) => a - b);
    const median = recent[recent.length >> 1] ?? Number.POSITIVE_INFINITY;
    if (recent.length >= fewestSteps && loss > timesLoss * median && ++this.spikes === spikeCount) {
      findings.push({
        sign: "loss-spikes",
        step,
        problem: `The loss jumped to more than ${timesLoss} times its median ${spikeCount} times; at step ${step} to ${text(loss)} from ${text(median)}.`,
      });
    }
    this.losses.push(loss);
    return this.fresh(findings);
  }

  /** What the finished stage shows. */
  end(outcome: StageOutcome): Diagnosis[] {
    const { steps } = this.stage;
    if (steps === 0) return this.fresh(ofScores(outcome, this.stage, 0));
    return this.fresh([...this.ofTraining(outcome), ...ofScores(outcome, this.stage, steps)]);
  }

  private fresh(findings: readonly Diagnosis[]): Diagnosis[] {
    const fresh = findings.filter(({ sign }) => !this.found.has(sign));
    for (const { sign } of fresh) this.found.add(sign);
    return fresh;
  }

  private ofTraining({ training }: StageOutcome): Diagnosis[] {
    const { steps, kind, keep, rms } = this.stage;
    const { best, firstLoss } = training;
    const lowest = this.validations.reduce((a, b) => (b.loss < a.loss ? b : a), best);
    const all = [firstLoss, ...this.validations.map((v) => v.loss)];
    const change = (Math.max(...all) - Math.min(...all)) / Math.abs(firstLoss);
    const findings: Diagnosis[] = [];
    if (steps >= fewestSteps && change < flat && !this.found.has("no-gradient")) {
      const low = this.reach < 0.1 * rms;
      findings.push({
        sign: low ? "no-movement" : "flat-validation",
        step: steps,
        problem: low
          ? `The validation loss stayed at ${text(firstLoss)}: in all ${steps} steps a number of the tag can move by at most ${text(this.reach)}, and the numbers of an embedding are of the size ${text(rms)}.`
          : `The validation loss stayed at ${text(firstLoss)} (it changed by ${text(100 * change)} %).`,
      });
    } else if (lowest.step === 0 && !this.found.has("no-gradient")) {
      findings.push({
        sign: "not-improved",
        step: steps,
        problem: `No step improved validation (${text(firstLoss)}); ${best.step === 0 ? "the tag is as it was before training" : "the last one was kept as the study says"}.`,
      });
    }
    const last = this.validations.at(-1)?.loss ?? best.loss;
    const late = this.losses.slice(-Math.max(5, Math.ceil(steps / 10)));
    if (steps >= fewestSteps && last > 1.1 * lowest.loss && mean(late) < 0.7 * last) {
      findings.push({
        sign: "overfitting",
        step: lowest.step,
        problem: `The validation loss rose again from ${text(lowest.loss)} at step ${lowest.step} to ${text(last)}, and the training loss fell to ${text(mean(late))}.`,
      });
    }
    const moved = change >= flat && !this.found.has("no-gradient");
    if (moved && keep === "best" && (kind === "number" || kind === "class")) {
      findings.push(...this.chosenByChance(best, firstLoss, last));
    }
    return findings;
  }

  /** Whether the validation side is too small to tell the step that was kept from the first, or the first from the last. */
  private chosenByChance({ step, loss }: Validation, firstLoss: number, last: number): Diagnosis[] {
    const { steps, validationRows: rows, validationGroups } = this.stage;
    const groups = Math.min(rows, validationGroups);
    const noise = Math.sqrt(2 / groups);
    const apart = (step > 0 ? firstLoss - loss : last - firstLoss) / Math.abs(firstLoss);
    if (groups >= 100 || apart >= noise / 2 || steps < fewestSteps) return [];
    const side = groups < rows ? `${rows} rows in ${groups} groups` : `${rows} rows`;
    const alike = groups < rows ? ", if a group's rows are alike" : "";
    const chosen = step > 0 ? "a validation loss lower by" : "the last step's validation loss is higher by";
    const problem = `Step ${step} was chosen for ${chosen} ${text(100 * apart)} %, on ${side}, whose mean squared error is known to about ${text(100 * noise)} %${alike}.`;
    return [{ sign: "small-validation", step, problem }];
  }
}

/** Of the test side: whether training and knowing the row made any difference. */
function ofScores(
  { training, scores, changed, largestPenalty }: StageOutcome,
  { kind }: WatchedStage,
  step: number,
): Diagnosis[] {
  const findings: Diagnosis[] = [];
  for (const { task, target, methods } of scores) {
    const what = target === null ? task.name : `${task.name}, ${target}`;
    const same = training.best.step > 0 ? sameAnswers(kind, methods, changed ?? null) : null;
    if (same !== null) findings.push({ sign: "no-difference", step, problem: `${what}: ${same}` });
    const constant = noBetter(methods);
    if (constant !== null)
      findings.push({ sign: "no-better-than-constant", step, problem: `${what}: ${constant}` });
  }
  const constant = findings.some(({ sign }) => sign === "no-better-than-constant"); // of any penalty
  if (largestPenalty !== undefined && !constant) {
    const problem = `Validation chose the largest penalty of the head, ${text(largestPenalty)}.`;
    findings.push({ sign: "largest-penalty", step, problem });
  }
  return findings;
}

const leastChange = 0.01;

function sameAnswers(kind: TaskKind, methods: TaskScores["methods"], changed: number | null): string | null {
  if (kind === "number" || kind === "class") {
    if (changed === null || changed >= leastChange) return null;
    return `training changed the answers by ${text(100 * changed)} % of their spread.`;
  }
  const metric = kind === "domain" ? "bitsPerCharacter" : "nats";
  const [trained, untrained] = [tagOf(methods)?.[metric], methods["untrained tag"]?.[metric]];
  if (trained === undefined || untrained === undefined) return null;
  if (Math.abs(trained - untrained) > flat * untrained) return null;
  return `with the trained tag the text costs ${text(trained)}, with the untrained one ${text(untrained)}.`;
}

const tagOf = (methods: TaskScores["methods"]): Metrics | undefined =>
  methods["function tag"] ?? methods["domain tag"];

/** Of what a constant leaves unexplained, the tag must explain this share. */
const leastExplained = 0.02;

function noBetter(methods: TaskScores["methods"]): string | null {
  const trained = tagOf(methods);
  const [mean, shares] = [methods.mean, methods["class shares"]];
  if (trained?.mse !== undefined && mean?.mse !== undefined && trained.mse > (1 - leastExplained) * mean.mse)
    return `the tag's mean squared error is ${text(trained.mse)}, that of the mean of the training rows ${text(mean.mse)}.`;
  if (
    trained?.logLoss !== undefined &&
    shares?.logLoss !== undefined &&
    trained.logLoss > (1 - leastExplained) * shares.logLoss
  )
    return `the tag's log loss is ${text(trained.logLoss)}, that of the shares of the classes ${text(shares.logLoss)}.`;
  const plain = Object.entries(methods).filter(([name]) => name.startsWith("no tag"));
  const best = Math.min(...plain.map(([, m]) => m.bitsPerCharacter ?? Number.POSITIVE_INFINITY));
  if (trained?.bitsPerCharacter !== undefined && trained.bitsPerCharacter >= best)
    return `text costs ${text(trained.bitsPerCharacter)} bits a character with the tag and ${text(best)} without.`;
  return null;
}
