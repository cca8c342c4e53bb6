/**
 * The answering side of the line protocol of child.ts: says `ready`, then for each line of stdin what `answer` makes
 * of it, as JSON; on `end` what `closing` says, with the most memory that the process took, and ends it. Plain
 * JavaScript, for peers run without a loader.
 */
import { createInterface } from "node:readline";

const say = (value) => process.stdout.write(`${typeof value === "string" ? value : JSON.stringify(value)}\n`);

export async function answerLines(answer, closing) {
  say("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "end") break;
    say(await answer(line.trim()));
  }
  say({ peakRssBytes: process.resourceUsage().maxRSS * 1024, ...(await closing()) });
  process.exit(0);
}
