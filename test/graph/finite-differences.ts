/**
 * An operator's gradient rule against finite differences of the operator itself, both run by the engine.
 *
 * The engine computes in f32; differences are taken of the operator's outputs and weighted in f64, with the
 * fourth-order stencil (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h. With values of magnitude 1 and h = 2^-5 the
 * rounding of f32 leaves about 4e-6 and the neglected term h^4/30 f^(5) about 3e-8 f^(5), so TOLERANCE is
 * several times the error of a right rule and far below that of a wrong one.
 */
import type { Engine, HostArray } from "../../src/engine/engine.ts";
import { differentiate } from "../../src/graph/gradients.ts";
import { elementCount, Graph, type Value } from "../../src/graph/graph.ts";
import { Random } from "../support/random.ts";

/** Largest |difference| allowed, relative to the gradient's largest element or 0.1 if that is larger. */
export const TOLERANCE = 1e-4;
const STEP = 2 ** -5;

export interface Argument {
  readonly shape: readonly number[];
  /** Values: random in [-1, 1] unless given. */
  readonly data?: HostArray;
  /** The rule gives no gradient for it. */
  readonly constant?: boolean;
}

export interface Case {
  readonly label: string;
  readonly inputs: readonly Argument[];
  build(g: Graph, inputs: readonly Value[]): readonly Value[];
}

export const dtypeOf = (data: HostArray) =>
  data instanceof Float32Array ? "f32" : data instanceof Int32Array ? "i32" : "i64";

/** Largest relative error of the gradient of each input that has one. */
export async function gradientErrors(engine: Engine, test: Case, seed: number): Promise<number[]> {
  const random = new Random(seed);
  const feeds: Record<string, HostArray> = {};
  const forward = new Graph();
  const full = new Graph();
  const declare = (g: Graph) =>
    test.inputs.map(({ shape, data }, i) => g.input(`x${i}`, data ? dtypeOf(data) : "f32", shape));
  test.inputs.forEach(({ shape, data }, i) => {
    feeds[`x${i}`] = data ?? random.floats(elementCount(shape));
  });
  const weights = test.build(forward, declare(forward)).map((y, i) => {
    forward.output(`y${i}`, y);
    return random.floats(elementCount(y.shape));
  });

  const inputs = declare(full);
  const terms = test.build(full, inputs).map((y, i) => {
    const weighted = full.one("Mul", [y, full.constant(weights[i] as Float32Array, y.shape)]);
    return full.one("ReduceSum", [full.one("Reshape", [weighted], { shape: [elementCount(y.shape)] })], {
      axes: [0],
    });
  });
  const loss = terms.length === 1 ? (terms[0] as Value) : full.one("Sum", terms);
  const trained = inputs.filter((v, i) => v.dtype === "f32" && !test.inputs[i]?.constant);
  differentiate(full, loss, trained).forEach((gradient, i) => {
    if (String(gradient.shape) !== String(trained[i]?.shape)) throw new Error(`gradient [${gradient.shape}]`);
    full.output(`grad.${trained[i]?.name}`, gradient);
  });

  const analytic = await (await engine.compile(full)).run(feeds);
  const program = await engine.compile(forward);
  const weightedOutput = async (name: string, at: number, shift: number): Promise<number> => {
    const moved = (feeds[name] as Float32Array).slice();
    moved[at] = (moved[at] as number) + shift;
    const outputs = await program.run({ ...feeds, [name]: moved });
    return weights.reduce(
      (sum, w, i) => sum + w.reduce((s, x, k) => s + x * Number(outputs[`y${i}`]?.[k]), 0),
      0,
    );
  };
  const errors: number[] = [];
  for (const { name } of trained) {
    const gradient = analytic[`grad.${name}`] as Float32Array;
    let [worst, largest] = [0, 0.1];
    for (let at = 0; at < gradient.length; at++) {
      const [a, b, c, d] = await Promise.all([-2, -1, 1, 2].map((k) => weightedOutput(name, at, k * STEP)));
      const numeric = (8 * ((c as number) - (b as number)) - ((d as number) - (a as number))) / (12 * STEP);
      worst = Math.max(worst, Math.abs(numeric - (gradient[at] as number)));
      largest = Math.max(largest, Math.abs(numeric));
    }
    errors.push(worst / largest);
  }
  return errors;
}
