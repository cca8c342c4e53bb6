/** Point 2.6: a training step against PyTorch eager in f32. */

import { fasterPeer, peerMissing, type StepResult } from "../bench/contest.ts";
import { machineText } from "../bench/machine.ts";
import { step } from "../bench/step.ts";
import { textTable } from "../bench/table.ts";
import { torch } from "./needs.ts";
import { checkLines, type Point } from "./point.ts";

const LEAST = 1.8;
const REPEATS = 7;

export const stepSpeed: Point = {
  id: "2.6",
  asked: `A training step at the shape of SmolLM2-135M (random weights, B=8, S=256, 64 labels, f32), in turns with PyTorch eager f32: at least ${LEAST} times faster; peak memory of both processes printed.`,
  needs: [torch],
  async run({ progress }) {
    const missing = await peerMissing();
    if (missing) return { measured: `not measured: ${missing}`, pass: false };
    const { result, table } = await step.run({ repeats: REPEATS, note: (line) => progress.note(line) });
    const contest = result as StepResult;
    const { key } = fasterPeer(contest, "f32");
    const ratio = contest.ratios[key]?.speed ?? 0;
    const check = {
      what: `at least ${LEAST} times faster than PyTorch, the whole batch at once or in parts (median of ${REPEATS} pairs)`,
      found: `${ratio.toFixed(2)} times (${key})`,
      pass: ratio >= LEAST,
    };
    const parts = [machineText(result.machine), textTable(table), checkLines([check])];
    return { measured: parts.join("\n\n"), pass: check.pass };
  },
};
