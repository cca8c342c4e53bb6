/** Ctrl-C (or SIGTERM): the first one asks the work to end in order, the second one ends the process. */
import { setImmediate } from "node:timers/promises";
import { TagllmError } from "../errors.ts";

let controller: AbortController | null = null;

export function interruptSignal(say: (line: string) => void): AbortSignal {
  if (controller) return controller.signal;
  const own = new AbortController();
  controller = own;
  const interrupt = (signal: NodeJS.Signals) => {
    if (own.signal.aborted) endBySystem(signal);
    own.abort();
    say("Stopping after this step. Press Ctrl-C again to stop now.");
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return own.signal;
}

/** Ends the work in order, as the first Ctrl-C does. */
export function stopWork(): void {
  controller?.abort();
}

/** Between two steps of a command. @throws aborted */
export async function requireGoOn(signal: AbortSignal | undefined): Promise<void> {
  // Two turns of the event loop: the second one hears a Ctrl-C that came during computing.
  for (let turn = 0; turn < 2; turn++) await setImmediate();
  if (signal?.aborted) throw new TagllmError("aborted", "The command was interrupted.", "Start it again.");
}

/** As if nobody listened: an exit of our own would take the engine apart while it runs, which ends in a crash. */
function endBySystem(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
