/** Ctrl-C (or SIGTERM): the first one asks the work to end in order, the second one ends the process. */
import { exitCodes } from "./result.ts";

let controller: AbortController | null = null;

export function interruptSignal(say: (line: string) => void): AbortSignal {
  if (controller) return controller.signal;
  const own = new AbortController();
  controller = own;
  const interrupt = () => {
    if (own.signal.aborted) process.exit(exitCodes.interrupted);
    own.abort();
    say("Stopping after this step. Press Ctrl-C again to stop now.");
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return own.signal;
}
