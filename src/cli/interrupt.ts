/** Ctrl-C (or SIGTERM): the first one asks the work to end in order, the second one ends the process. */

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

/** As if nobody listened: an exit of our own would take the engine apart while it runs, which ends in a crash. */
function endBySystem(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
