/** Point 4.3: many molecules with one protein, against our own path without reuse; PyTorch stands beside it. */
import { machineText } from "../bench/machine.ts";
import { runScreens, screenTable } from "../bench/screen.ts";
import { textTable } from "../bench/table.ts";
import { sharedData, torch } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";

const REPEATS = 2;
/** By the screens' order: proteins of about 700 and 1,500 residues. */
const LEAST = [7, 12] as const;

export const screenSpeed: Point = {
  id: "4.3",
  asked: `2,000 molecules with one protein of about 700 residues and one of about 1,500, at the shape of SmolLM2-135M: at least ${LEAST.join(" and ")} times as fast as our own path without reuse; PyTorch on whole prompts and with the protein kept beside it.`,
  needs: [torch, sharedData],
  async run({ progress }) {
    const results = await runScreens({ repeats: REPEATS, note: (line) => progress.note(line) });
    const checks = results.map(({ protein, ratios }, i): Check => {
      const own = ratios["no reuse"] ?? {};
      const least = LEAST[i] as number;
      return {
        what: `${protein} residues: at least ${least} times as fast as without reuse`,
        found: `${own.each?.toFixed(1)} times (${own.eachLowest?.toFixed(1)} - ${own.eachHighest?.toFixed(1)})`,
        pass: (own.each ?? 0) >= least,
      };
    });
    const machine = machineText((results[0] as (typeof results)[number]).machine);
    const parts = [machine, textTable(screenTable(results)), checkLines(checks)];
    return { measured: parts.join("\n\n"), pass: allPass(checks) };
  },
};
