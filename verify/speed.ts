/** Requirements on how many times faster a benchmark of pairs is than its peers. */
import type { BenchResult } from "../bench/benchmark.ts";
import type { PairsSide } from "../bench/pairs-contest.ts";
import type { Check } from "./point.ts";

interface Required {
  readonly what: string;
  /** How the peer works: the last word of its key. */
  readonly way: string;
  /** What is compared. */
  readonly of: string;
  readonly times: number;
}

/** Null where PyTorch was measured. */
export const presentFormats = ({ peers }: BenchResult<PairsSide>): string | null =>
  Object.keys(peers).some((key) => key.startsWith("torch")) ? null : "not measured: PyTorch is missing";

/** Each against the number format in which PyTorch is faster. */
export function speedChecks(
  { peers, ratios }: BenchResult<PairsSide>,
  required: readonly Required[],
): Check[] {
  return required.map(({ what, way, of, times }): Check => {
    const keys = Object.keys(peers).filter((key) => key.split(" ").at(-1) === way);
    const seconds = (key: string) => peers[key]?.seconds[of]?.median ?? Number.POSITIVE_INFINITY;
    const fastest = keys.reduce((a, b) => (seconds(b) < seconds(a) ? b : a));
    const own = ratios[fastest] ?? {};
    const found = own[of] ?? 0;
    return {
      what: `${what}: at least ${times} times as fast`,
      found: `${found.toFixed(2)} times (${own[`${of}Lowest`]?.toFixed(2)} - ${own[`${of}Highest`]?.toFixed(2)}), ${fastest}`,
      pass: found >= times,
    };
  });
}
