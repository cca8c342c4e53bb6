/** Point 4.6: what a token, a pair and a layer cost does not grow with how many there are. */
import { machineText } from "../bench/machine.ts";
import { runScaling, type Sized, scalingTable } from "../bench/scaling.ts";
import { textTable } from "../bench/table.ts";
import { sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";

const REPEATS = 3;
/** The cost of the largest size over that of the smallest may be this much. */
const FLAT = 1.2;
/** How far the cost of a layer more may differ between the lower and the upper half of the sizes. */
const LINEAR = 0.2;

export const scaling: Point = {
  id: "4.6",
  asked: `At the sizes of polyglot-5m: cost of a token flat from 1,000 to 100,000 tokens a step and of a pair flat from 136 (two of DAVIS's proteins with its 68 drugs) to 30,056 pairs an epoch (the largest size at most ${FLAT} times the smallest), cost of a step linear in its layers (the slope of the upper half within ${LINEAR * 100} % of that of the lower). Full DAVIS end to end is part of 4.7.`,
  needs: [sharedData],
  async run({ progress }) {
    const result = await runScaling({ repeats: REPEATS, note: (line) => progress.note(line) });
    const { tokens, pairs, layers } = result.ours;
    const checks = [flat("a token", tokens), flat("a pair", pairs), linear(layers)];
    const parts = [machineText(result.machine), textTable(scalingTable(result)), checkLines(checks)];
    return { measured: parts.join("\n\n"), pass: allPass(checks) };
  },
};

function flat(what: string, sizes: readonly Sized[]): Check {
  const [first, last] = [sizes[0] as Sized, sizes.at(-1) as Sized];
  const growth = last.seconds.median / first.seconds.median;
  return {
    what: `${what} costs at most ${FLAT} times as much with ${last.size} as with ${first.size}`,
    found: `${growth.toFixed(2)} times`,
    pass: growth <= FLAT,
  };
}

function linear(sizes: readonly Sized[]): Check {
  const [a, b, c] = sizes as [Sized, Sized, Sized];
  const slope = (from: Sized, to: Sized) => (to.seconds.median - from.seconds.median) / (to.size - from.size);
  const ratio = slope(b, c) / slope(a, b);
  return {
    what: `a layer more costs the same from ${b.size} to ${c.size} as from ${a.size} to ${b.size}`,
    found: `${ratio.toFixed(2)} times`,
    pass: Math.abs(ratio - 1) <= LINEAR,
  };
}
