/** Point 5.2: writing text at the shape of SmolLM2-135M in f32 and 4 bits, beside transformers.js and llama.cpp. */
import { type DecodeSide, decodeTable, measureDecoding } from "../bench/decode.ts";
import { peersMissing } from "../bench/decode-peers.ts";
import { machineText } from "../bench/machine.ts";
import { textTable } from "../bench/table.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";

const REPEATS = 5;
const LEAST_4BIT = 0.8;

export const decodeSpeed: Point = {
  id: "5.2",
  asked: `Decoding at the shape of SmolLM2-135M (random weights, one text, 2 threads, 128 tokens after 512), in turns with transformers.js and node-llama-cpp: f32 at least as fast as the faster; 4-bit at least ${LEAST_4BIT} times as fast as llama.cpp's Q4_0. Time to the first token with a stored span and without.`,
  needs: [
    {
      what: "node-llama-cpp and @huggingface/transformers to compare with",
      cure: "npm install --ignore-scripts node-llama-cpp @huggingface/transformers in a folder of your own; PEERS=FOLDER",
      isMet: () => peersMissing() === null,
    },
  ],
  async run({ progress }) {
    const result = await measureDecoding({ repeats: REPEATS, note: (line) => progress.note(line) });
    const ofPeers = (format: DecodeSide["format"], name: string) =>
      Object.keys(result.ratios).filter(
        (key) => result.peers[key]?.format === format && key.startsWith(name),
      );
    const check = (what: string, keys: readonly string[], least: number): Check => {
      const slowest = keys.reduce((a, b) => (ratio(b) < ratio(a) ? b : a));
      return { what, found: `${ratio(slowest).toFixed(2)} times, ${slowest}`, pass: ratio(slowest) >= least };
    };
    const ratio = (key: string): number => result.ratios[key]?.decode as number;
    const { promptSeconds, spanSeconds } = result.ours;
    const [without, stored] = [promptSeconds.median, spanSeconds?.median as number];
    const checks: Check[] = [
      check("f32 is at least as fast as the faster peer", ofPeers("f32", ""), 1),
      check(
        `4-bit is at least ${LEAST_4BIT} times as fast as llama.cpp`,
        ofPeers("4bit", "llama.cpp"),
        LEAST_4BIT,
      ),
      {
        what: "a stored span brings the first token sooner",
        found: `${(1000 * stored).toFixed(0)} ms, without ${(1000 * without).toFixed(0)} ms`,
        pass: stored < without,
      },
    ];
    const parts = [machineText(result.machine), textTable(decodeTable(result)), checkLines(checks)];
    return { measured: parts.join("\n\n"), pass: allPass(checks) };
  },
};
