/**
 * The graphs that prompts are run with: token ids and tag vectors in, keys and values, hidden states, losses
 * and gradients out. One builder; what is not asked for is not emitted.
 */
import { differentiate } from "../graph/gradients.ts";
import { Graph, type Value } from "../graph/graph.ts";
import type { Architecture, Forward, ForwardShape } from "./architecture.ts";
import { cutInputs, cutRows, declareAttentionInputs } from "./attention.ts";

export interface ProgramSpec extends ForwardShape {
  /** Positions of all rows together that hold a tag vector. */
  readonly slots: number;
  /** Positions of all rows together whose hidden state is used: labelled tokens or read-outs. */
  readonly reads: number;
  readonly result: Result;
  /** Positions of each row that the last layer is run for, R; all when absent. */
  readonly tail?: number;
  /** Leading positions of each row that hold nothing trained and are not read: they run forward only. */
  readonly constant?: Constant;
  /** Labelled positions whose logits exist at the same time; by default as many as are `LOGITS` numbers. */
  readonly chunk?: number;
  /** Positions of a row that attend together, each part to the keys up to its own end; all when absent. */
  readonly together?: number;
}

export interface Constant {
  readonly length: number;
  /** Slots behind them: those that have a gradient. */
  readonly trained: number;
}

export type Result =
  /** Outputs `key.l`, `value.l` [B, kvHeads, S, headDim] of every layer. */
  | { readonly kind: "keys" }
  /** Output `hidden` [reads, d], after the final norm. */
  | { readonly kind: "hidden" }
  /** Output `logits` [reads, vocab], and keys and values as above: for text that goes on. */
  | { readonly kind: "logits" }
  /** Output `nll` [reads], nats of each label; with `train` also `loss` and `grad.vectors` [slots, d]. */
  | { readonly kind: "text"; readonly train: boolean }
  /**
   * Linear head on `hidden`, squared error. Outputs `hidden` [reads, d], `prediction` [reads, outputs], `loss`, and the gradients
   * `grad.vectors`, `grad.head` [outputs, d], `grad.bias` [outputs]. With `centred` the errors are taken less
   * their weighted mean over the run: the loss of a head whose bias is the best one for these examples.
   */
  | { readonly kind: "head"; readonly outputs: number; readonly centred: boolean };

export const hasGradients = (result: Result): boolean =>
  result.kind === "head" || (result.kind === "text" && result.train);

/**
 * Only training on whole texts rounds: its losses and gradients average over many rounding errors. What is read does not,
 * nor do the gradients of a head that is solved, which weigh small differences of states.
 */
export const isRounded = ({ result, past }: ProgramSpec): boolean =>
  result.kind === "text" && result.train && past.length === 0;

/** 32 MB: of a vocabulary of 49,152 logits of 170 positions. An array beyond that gets new memory from the system each time. */
const LOGITS = 2 ** 23;

/**
 * Inputs, beside those of `declareAttentionInputs`: `ids` i32[B * S] (any id at a tag slot), `slots`
 * i64[slots, 1] rows of B * S, `vectors` [slots, d], `reads` i64[reads] rows of what the last layer is run for
 * (B * S, less what is constant; with `tail` the B * R rows that input `tail` i64[B * R] picks from these), and by
 * result `labels` i64[reads, 1] and `weights` [reads, 1], or `targets` [reads, outputs], `weights` [reads, 1],
 * `head` [outputs, d], `bias_out` [outputs]. With `constant` also `trained` i64[trained], the rows of the slots
 * that have a gradient; `grad.vectors` then has those.
 * The loss is the weighted sum over reads: the caller puts means and accumulation into the weights.
 */
export function buildProgram(architecture: Architecture, spec: ProgramSpec): Graph {
  const g = new Graph();
  const tokens = embedTokens(g, architecture, g.input("ids", "i32", [spec.batch * spec.length]));
  const vectors = spec.slots ? g.input("vectors", "f32", [spec.slots, architecture.hiddenSize]) : null;
  const embeddings = vectors
    ? g.one("ScatterND", [tokens, g.input("slots", "i64", [spec.slots, 1]), vectors])
    : tokens;
  const { forward, fresh } = addForward(g, architecture, embeddings, spec);
  const { hidden, keys, values } = forward;

  if (spec.result.kind === "keys" || spec.result.kind === "logits") {
    keys.forEach((key, l) => {
      g.output(`key.${l}`, key);
      g.output(`value.${l}`, values[l] as Value);
    });
  }
  if (spec.result.kind === "keys") return g;
  const trained = trainedVectors(g, vectors, fresh, spec);
  const read = g.one("Gather", [hidden, g.input("reads", "i64", [spec.reads])]);
  switch (spec.result.kind) {
    case "hidden":
      g.output("hidden", read);
      break;
    case "logits":
      g.output("logits", architecture.logits(g, read));
      break;
    case "text":
      addTextLoss(g, architecture, read, spec, spec.result.train ? trained : null);
      break;
    case "head":
      addHeadLoss(g, read, spec, spec.result, trained);
      break;
  }
  return g;
}

/** Token ids [n] -> [n, hidden], among which tag vectors stand. */
export function embedTokens(
  g: Graph,
  { embedding, embeddingScale, vocabSize, hiddenSize }: Architecture,
  ids: Value,
): Value {
  const rows = g.one("Gather", [g.weight(embedding, [vocabSize, hiddenSize]), ids]);
  return embeddingScale === 1 ? rows : g.one("Mul", [rows, g.scalar(embeddingScale)]);
}

/** Constant positions run first and by themselves; the others, `fresh`, see their keys and values. */
function addForward(
  g: Graph,
  architecture: Architecture,
  embeddings: Value,
  spec: ProgramSpec,
): { forward: Forward; fresh: Value } {
  const all = declareAttentionInputs(g, architecture, spec, spec.together);
  const count = spec.constant?.length ?? 0;
  let [inputs, fresh] = [all, embeddings];
  if (count) {
    const { before, after } = cutInputs(g, all, count);
    const [first, rest] = cutRows(g, embeddings, spec, count);
    inputs = after(architecture.forward(g, first, before));
    fresh = rest;
  }
  const tail = spec.tail === undefined ? null : g.input("tail", "i64", [spec.batch * spec.tail]);
  return { forward: architecture.forward(g, fresh, { ...inputs, tail }), fresh };
}

/** What is differentiated, and how the gradient of the trained vectors follows from its gradient. */
interface Trained {
  readonly leaf: Value;
  gradient(ofLeaf: Value): Value;
}

function trainedVectors(
  g: Graph,
  vectors: Value | null,
  fresh: Value,
  { constant }: ProgramSpec,
): Trained | null {
  if (!vectors) return null;
  if (!constant) return { leaf: vectors, gradient: (x) => x };
  const rows = g.input("trained", "i64", [constant.trained]);
  return { leaf: fresh, gradient: (x) => g.one("Gather", [x, rows]) };
}

/**
 * The logits of a part of the reads at a time: the loss is a weighted sum, so what a part sends back to its
 * hidden states, weight * (softmax - one at the label) through the vocabulary head, depends on no other part. Few
 * passes over the logits: a vocabulary is wide, and each costs as much as a part of the product.
 */
function addTextLoss(
  g: Graph,
  architecture: Architecture,
  read: Value,
  { reads, result, chunk = Math.max(1, Math.floor(LOGITS / architecture.vocabSize)) }: ProgramSpec,
  trained: Trained | null,
): void {
  const train = result.kind === "text" && result.train;
  const labels = g.input("labels", "i64", [reads, 1]);
  const weights = train ? g.input("weights", "f32", [reads, 1]) : null;
  const sizes = evenly(reads, Math.ceil(reads / chunk));
  const parts = (x: Value) => (sizes.length === 1 ? [x] : g.apply("Split", [x], { axis: 0, sizes }));
  const join = (xs: readonly Value[]) =>
    xs.length === 1 ? (xs[0] as Value) : g.one("Concat", xs, { axis: 0 });
  const labelParts = parts(labels);
  const weightParts = weights && parts(weights);
  const nlls: Value[] = [];
  const sentBack: Value[] = [];
  parts(read).forEach((rows, i) => {
    const label = labelParts[i] as Value;
    const logits = architecture.logits(g, rows);
    const p = g.one("Softmax", [logits]);
    const largest = (x: Value) => g.one("ReduceMax", [x], { axes: [1] });
    // The most likely token tells what was divided by: at the label itself p may be too small for a number.
    const logSum = g.one("Sub", [largest(logits), g.one("Log", [largest(p)])]);
    const nll = g.one("Sub", [logSum, g.one("GatherElements", [logits, label], { axis: 1 })]);
    if (!weightParts || !trained) {
      nlls.push(nll);
      return;
    }
    const minus = g.constant(new Float32Array(label.shape[0] as number).fill(-1), label.shape);
    const seed = g.one("ScatterElements", [p, label, minus], { axis: 1, reduction: "add" });
    const [unweighted] = differentiate(g, logits, [rows], seed) as [Value];
    const [back, own] = together(g, g.one("Mul", [unweighted, weightParts[i] as Value]), nll);
    sentBack.push(back);
    nlls.push(own);
  });
  const nll = join(nlls);
  g.output("nll", g.one("Reshape", [nll], { shape: [reads] }));
  if (!weights) return;
  g.output("loss", g.one("ReduceSum", [g.one("Mul", [nll, weights])], { axes: [0, 1] }));
  if (!trained) return;
  const [gradient] = differentiate(g, read, [trained.leaf], join(sentBack));
  g.output("grad.vectors", trained.gradient(gradient as Value));
}

/**
 * Both values, of which neither is read before both are there. The runtime computes a loss when all else is done, and
 * would keep the logits of every part until then.
 */
function together(g: Graph, ...values: [Value, Value]): [Value, Value] {
  const sizes = values.map(({ shape }) => shape[1] as number);
  return g.apply("Split", [g.one("Concat", values, { axis: 1 })], { axis: 1, sizes }) as [Value, Value];
}

/** `count` in so many parts whose sizes differ by one at most. */
const evenly = (count: number, parts: number): number[] =>
  Array.from(
    { length: parts },
    (_, i) => Math.floor((count * (i + 1)) / parts) - Math.floor((count * i) / parts),
  );

function addHeadLoss(
  g: Graph,
  hidden: Value,
  { reads }: ProgramSpec,
  { outputs, centred }: Extract<Result, { kind: "head" }>,
  trained: Trained | null,
): void {
  const head = g.input("head", "f32", [outputs, hidden.shape[1] as number]);
  const bias = g.input("bias_out", "f32", [outputs]);
  const prediction = g.one("Gemm", [hidden, head, bias], { transB: 1 });
  const error = g.one("Sub", [prediction, g.input("targets", "f32", [reads, outputs])]);
  const weights = g.input("weights", "f32", [reads, 1]);
  const counted = centred ? centre(g, error, weights) : error;
  const weighted = g.one("Mul", [g.one("Mul", [counted, counted]), weights]);
  const loss = g.one("ReduceSum", [weighted], { axes: [0, 1] });
  g.output("hidden", hidden);
  g.output("prediction", prediction);
  g.output("loss", loss);
  const gradients = differentiate(g, loss, [head, bias, ...(trained ? [trained.leaf] : [])]);
  if (trained) g.output("grad.vectors", trained.gradient(gradients[2] as Value));
  g.output("grad.head", gradients[0] as Value);
  g.output("grad.bias", gradients[1] as Value);
}

/** `error` less its weighted mean over the rows. */
function centre(g: Graph, error: Value, weights: Value): Value {
  const total = g.one("ReduceSum", [weights], { axes: [0] });
  const sum = g.one("ReduceSum", [g.one("Mul", [error, weights])], { axes: [0] });
  return g.one("Sub", [error, g.one("Div", [sum, total])]);
}
