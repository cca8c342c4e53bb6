/** Point 4.2: three epochs of a function tag on pairs, against PyTorch on whole prompts and on a kept prefix. */

import { epochTable, runEpochs } from "../bench/function-epoch.ts";
import { machineText } from "../bench/machine.ts";
import { textTable } from "../bench/table.ts";
import { sharedData, torch } from "./needs.ts";
import { allPass, checkLines, type Point } from "./point.ts";
import { presentFormats, speedChecks } from "./speed.ts";

const REPEATS = 2;

export const functionEpochSpeed: Point = {
  id: "4.2",
  asked:
    "Three epochs of a function tag at the shape of SmolLM2-135M on 40 DAVIS proteins nearest the median length with 10 drugs each, filling the store included, in turns with PyTorch eager in the faster of f32 and bf16: at least 10 times as fast as whole prompts, 3 times as fast as a prefix without gradients, whether its proteins are kept or all of it, in the same steps and in an order of its own; the first epoch alone at least 2.5 times as fast as whole prompts.",
  needs: [torch, sharedData],
  async run({ progress }) {
    const result = await runEpochs({ repeats: REPEATS, note: (line) => progress.note(line) });
    const missing = presentFormats(result);
    if (missing) return { measured: missing, pass: false };
    const checks = speedChecks(result, [
      { what: "three epochs, against whole prompts", way: "plain", of: "total", times: 10 },
      { what: "three epochs, against the same steps on kept proteins", way: "cached", of: "total", times: 3 },
      { what: "... and a protein's pairs together", way: "grouped", of: "total", times: 3 },
      { what: "three epochs, against the same steps on a kept prefix", way: "kept", of: "total", times: 3 },
      { what: "... and a protein's pairs together", way: "kept-grouped", of: "total", times: 3 },
      { what: "first epoch, against whole prompts", way: "plain", of: "first", times: 2.5 },
    ]);
    const parts = [machineText(result.machine), textTable(epochTable(result)), checkLines(checks)];
    return { measured: parts.join("\n\n"), pass: allPass(checks) };
  },
};
