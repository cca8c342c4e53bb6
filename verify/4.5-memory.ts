/** Point 4.5: peak memory of the whole process of a training, beside PyTorch's at the same work. */
import { contestTable, peerMissing, type StepSide } from "../bench/contest.ts";
import { machineText } from "../bench/machine.ts";
import { measureMemory } from "../bench/memory.ts";
import { textTable } from "../bench/table.ts";
import { torch } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";

const REPEATS = 2;
/** Set from the first measurements (1,229 to 1,522 MB, PyTorch 4,199): of these 538 are the weights. */
const MOST_MB = 1400;
const LEAST_RATIO = 2.8;
/** Of PyTorch in parts of two rows, as ours: 1.36 when first measured. */
const LEAST_IN_PARTS = 1.2;

export const memory: Point = {
  id: "4.5",
  asked: `Peak memory of the whole process of a training step at the shape of SmolLM2-135M, 8 rows of 256 tokens, f32: at most ${MOST_MB} MB, and PyTorch's in f32 at least ${LEAST_RATIO} times as much with the whole batch at once, ${LEAST_IN_PARTS} times in parts of as many rows as a run of ours has; int8 and PyTorch in bf16 beside them.`,
  needs: [torch],
  async run({ progress }) {
    const missing = await peerMissing();
    if (missing) return { measured: `not measured: ${missing}`, pass: false };
    const result = await measureMemory({ repeats: REPEATS, note: (line) => progress.note(line) });
    const own = result.ours.peakRssBytes;
    const more = (key: string, what: string, least: number): Check => {
      const theirs = (result.peers[key] as StepSide).peakRssBytes;
      return {
        what: `PyTorch ${what} takes at least ${least} times as much`,
        found: `${(theirs / own).toFixed(2)} times (${(theirs / 1e6).toFixed(0)} MB)`,
        pass: theirs >= least * own,
      };
    };
    const checks: Check[] = [
      { what: `at most ${MOST_MB} MB`, found: `${(own / 1e6).toFixed(0)} MB`, pass: own <= MOST_MB * 1e6 },
      more("torch f32", "with the whole batch at once", LEAST_RATIO),
      more("torch f32 in parts", "in the same parts", LEAST_IN_PARTS),
    ];
    const parts = [machineText(result.machine), textTable(contestTable(result)), checkLines(checks)];
    return { measured: parts.join("\n\n"), pass: allPass(checks) };
  },
};
