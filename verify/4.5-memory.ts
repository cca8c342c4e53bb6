/** Point 4.5: peak memory of the whole process of a training, beside PyTorch's at the same work. */
import { contestTable, hold, peerMissing, type StepSide } from "../bench/contest.ts";
import { machineText } from "../bench/machine.ts";
import { smollm } from "../bench/step-shape.ts";
import { textTable } from "../bench/table.ts";
import { torch } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";

const REPEATS = 2;
/** Set from the first measurements (1,229 to 1,522 MB, PyTorch 4,199): of these 538 are the weights. */
const MOST_MB = 1400;
const LEAST_RATIO = 2.8;

export const memory: Point = {
  id: "4.5",
  asked: `Peak memory of the whole process of a training step at the shape of SmolLM2-135M, 8 rows of 256 tokens, f32: at most ${MOST_MB} MB, and PyTorch's at least ${LEAST_RATIO} times as much.`,
  needs: [torch],
  async run({ progress }) {
    const missing = await peerMissing();
    if (missing) return { measured: `not measured: ${missing}`, pass: false };
    const contest = { name: "memory", shape: smollm, ours: ["f32"], peers: ["f32"] } as const;
    const result = await hold(contest, { repeats: REPEATS, note: (line) => progress.note(line) });
    const own = result.ours.peakRssBytes;
    const theirs = (result.peers["torch f32"] as StepSide).peakRssBytes;
    const checks: Check[] = [
      { what: `at most ${MOST_MB} MB`, found: `${(own / 1e6).toFixed(0)} MB`, pass: own <= MOST_MB * 1e6 },
      {
        what: `PyTorch takes at least ${LEAST_RATIO} times as much`,
        found: `${(theirs / own).toFixed(2)} times (${(theirs / 1e6).toFixed(0)} MB)`,
        pass: theirs >= LEAST_RATIO * own,
      },
    ];
    const parts = [machineText(result.machine), textTable(contestTable(result)), checkLines(checks)];
    return { measured: parts.join("\n\n"), pass: allPass(checks) };
  },
};
