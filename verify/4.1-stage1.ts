/** Point 4.1: a step of a domain tag, every position labelled, in int8 and f32 against PyTorch in f32 and bf16. */
import { fasterPeer, peerMissing, ratios, type StepSide } from "../bench/contest.ts";
import { machineText } from "../bench/machine.ts";
import { runStage1, type Stage1Result, stage1Table } from "../bench/stage1.ts";
import { textTable } from "../bench/table.ts";
import { torch } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";

const REPEATS = 5;
const least = [
  { ours: "int8", theirs: "f32", times: 4 },
  { ours: "int8", theirs: "bf16", times: 1.2 },
  { ours: "f32", theirs: "f32", times: 2 },
] as const;

export const domainStepSpeed: Point = {
  id: "4.1",
  asked: `A step at the shape of SmolLM2-135M with every position labelled, 512 to 2,048 tokens, in turns with PyTorch eager, the whole batch at once or in parts, whichever is faster: ${least.map((l) => `${l.ours} at least ${l.times} times as fast as its ${l.theirs}`).join(", ")}.`,
  needs: [torch],
  async run({ progress }) {
    const missing = await peerMissing();
    if (missing) return { measured: `not measured: ${missing}`, pass: false };
    const results = await runStage1({ repeats: REPEATS, note: (line) => progress.note(line) });
    const checks = results.flatMap(checksOf);
    const { machine } = results[0] as Stage1Result;
    const parts = [machineText(machine), textTable(stage1Table(results)), checkLines(checks)];
    return { measured: parts.join("\n\n"), pass: allPass(checks) };
  },
};

function checksOf(contest: Stage1Result): Check[] {
  const side = (key: string): StepSide =>
    key === "tagllm int8" ? contest.ours : (contest.peers[key] as StepSide);
  return least.map(({ ours, theirs, times }): Check => {
    const { speed, speedLowest, speedHighest } = ratios(
      side(`tagllm ${ours}`),
      fasterPeer(contest, theirs).side,
    );
    return {
      what: `${contest.tokens} tokens: ${ours} is at least ${times} times as fast as PyTorch in ${theirs} (median of ${REPEATS} pairs)`,
      found: `${speed?.toFixed(2)} times (${speedLowest?.toFixed(2)} - ${speedHighest?.toFixed(2)})`,
      pass: (speed ?? 0) >= times,
    };
  });
}
