/**
 * The graphs that prompts are run with: token ids and tag vectors in, keys and values, hidden states, losses
 * and gradients out. One builder; what is not asked for is not emitted.
 */
import { differentiate } from "../graph/gradients.ts";
import { Graph, type Value } from "../graph/graph.ts";
import type { Architecture, ForwardShape } from "./architecture.ts";

export interface ProgramSpec extends ForwardShape {
  /** Positions of all rows together that hold a tag vector. */
  readonly slots: number;
  /** Positions of all rows together whose hidden state is used: labelled tokens or read-outs. */
  readonly reads: number;
  readonly result: Result;
}

export type Result =
  /** Outputs `key.l`, `value.l` [B, kvHeads, S, headDim] of every layer. */
  | { readonly kind: "keys" }
  /** Output `hidden` [reads, d], after the final norm. */
  | { readonly kind: "hidden" }
  /** Output `logits` [reads, vocab]. */
  | { readonly kind: "logits" }
  /** Output `nll` [reads], nats of each label; with `train` also `loss` and `grad.vectors` [slots, d]. */
  | { readonly kind: "text"; readonly train: boolean }
  /**
   * Linear head on `hidden`, squared error. Outputs `hidden` [reads, d], `prediction` [reads, outputs], `loss`, and the gradients
   * `grad.vectors`, `grad.head` [outputs, d], `grad.bias` [outputs]. With `centred` the errors are taken less
   * their weighted mean over the run: the loss of a head whose bias is the best one for these examples.
   */
  | { readonly kind: "head"; readonly outputs: number; readonly centred: boolean };

/**
 * Inputs, beside those of `Forward`: `ids` i32[B * S] (any id at a tag slot), `slots` i64[slots, 1] rows of
 * B * S, `vectors` [slots, d], `reads` i64[reads] rows of B * S, and by result `labels` i64[reads, 1] and
 * `weights` [reads, 1], or `targets` [reads, outputs], `weights` [reads, 1], `head` [outputs, d], `bias_out` [outputs].
 * The loss is the weighted sum over reads: the caller puts means and accumulation into the weights.
 */
export function buildProgram(architecture: Architecture, spec: ProgramSpec): Graph {
  const g = new Graph();
  const { hiddenSize, vocabSize } = architecture;
  const ids = g.input("ids", "i32", [spec.batch * spec.length]);
  const table = g.weight(architecture.embedding, [vocabSize, hiddenSize]);
  const tokens = g.one("Gather", [table, ids]);
  const vectors = spec.slots ? g.input("vectors", "f32", [spec.slots, hiddenSize]) : null;
  const embeddings = vectors
    ? g.one("ScatterND", [tokens, g.input("slots", "i64", [spec.slots, 1]), vectors])
    : tokens;
  const { hidden, keys, values } = architecture.forward(g, embeddings, spec);

  if (spec.result.kind === "keys") {
    keys.forEach((key, l) => {
      g.output(`key.${l}`, key);
      g.output(`value.${l}`, values[l] as Value);
    });
    return g;
  }
  const read = g.one("Gather", [hidden, g.input("reads", "i64", [spec.reads])]);
  switch (spec.result.kind) {
    case "hidden":
      g.output("hidden", read);
      break;
    case "logits":
      g.output("logits", architecture.logits(g, read));
      break;
    case "text":
      addTextLoss(g, architecture.logits(g, read), spec, spec.result.train, vectors);
      break;
    case "head":
      addHeadLoss(g, read, spec, spec.result, vectors);
      break;
  }
  return g;
}

function addTextLoss(
  g: Graph,
  logits: Value,
  { reads }: ProgramSpec,
  train: boolean,
  vectors: Value | null,
): void {
  const labels = g.input("labels", "i64", [reads, 1]);
  const picked = g.one("GatherElements", [g.one("LogSoftmax", [logits]), labels], { axis: 1 });
  const nll = g.one("Neg", [picked]);
  g.output("nll", g.one("Reshape", [nll], { shape: [reads] }));
  if (!train) return;
  const loss = g.one("ReduceSum", [g.one("Mul", [nll, g.input("weights", "f32", [reads, 1])])], {
    axes: [0, 1],
  });
  g.output("loss", loss);
  if (vectors) g.output("grad.vectors", differentiate(g, loss, [vectors])[0] as Value);
}

function addHeadLoss(
  g: Graph,
  hidden: Value,
  { reads }: ProgramSpec,
  { outputs, centred }: Extract<Result, { kind: "head" }>,
  vectors: Value | null,
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
  const trained = vectors ? [vectors, head, bias] : [head, bias];
  const names = vectors ? ["grad.vectors", "grad.head", "grad.bias"] : ["grad.head", "grad.bias"];
  differentiate(g, loss, trained).forEach((gradient, i) => {
    g.output(names[i] as string, gradient);
  });
}

/** `error` less its weighted mean over the rows. */
function centre(g: Graph, error: Value, weights: Value): Value {
  const total = g.one("ReduceSum", [weights], { axes: [0] });
  const sum = g.one("ReduceSum", [g.one("Mul", [error, weights])], { axes: [0] });
  return g.one("Sub", [error, g.one("Div", [sum, total])]);
}
