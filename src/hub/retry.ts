/** Tries again what a passing fault ended: connections that break, silence, busy servers. */
import { setTimeout as pause } from "node:timers/promises";
import { LostConnection, unreachable } from "./failures.ts";
import { abortedError } from "./request.ts";

export interface Patience {
  /** Milliseconds before the second try; doubled each time. */
  readonly firstPause?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: (problem: string, seconds: number) => void;
}

const tries = 5;
const longestPause = 8000;

/** `work` may say that it got on, which gives it all its tries again. @throws hub/unreachable and what `work` throws */
export async function withRetries<T>(
  work: (gotOn: () => void) => Promise<T>,
  { firstPause = 500, signal, onRetry }: Patience,
): Promise<T> {
  let failures = 0;
  for (;;) {
    if (signal?.aborted) throw abortedError();
    try {
      return await work(() => {
        failures = 0;
      });
    } catch (error) {
      if (!(error instanceof LostConnection)) throw error;
      failures++;
      if (failures >= tries) throw unreachable(`${error.message}, ${tries} times`, error);
      const wait = Math.max(error.wait, Math.min(longestPause, firstPause * 2 ** (failures - 1)));
      onRetry?.(error.message, wait / 1000);
      await pause(wait, undefined, signal ? { signal } : {}).catch(() => {
        throw abortedError();
      });
    }
  }
}
