/** trials.json: what was to be learned in a folder, and the recipe that the search chose for it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { TagllmError } from "../errors.ts";
import { replaceFile } from "../replace-file.ts";
import { differences } from "../study/differences.ts";
import type { Plan } from "./compose.ts";
import type { Choice } from "./search.ts";

export const trialsName = "trials.json";

/** A plan as it is kept: with digests of the domain tags that were found, by name. */
export interface KeptPlan extends Plan {
  /** Left out where none was found. */
  readonly tags?: Readonly<Record<string, string>>;
}

const recipe = z.object({ length: z.number(), rate: z.number(), steps: z.number() });
/** JSON has null for NaN. */
const measured = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const trial = z.object({
  recipe,
  untrained: measured,
  best: measured,
  bestStep: z.number(),
  seconds: z.number(),
});
const keptSchema = z.object({
  plan: z.looseObject({ minutes: z.number().optional(), tags: z.record(z.string(), z.string()).optional() }),
  choice: z.object({ trials: z.array(trial), recipe, why: z.string() }),
});

type KeptBefore = z.infer<typeof keptSchema>["plan"];

export const keepChoice = (out: string, plan: KeptPlan, choice: Choice): Promise<void> =>
  replaceFile(join(out, trialsName), `${JSON.stringify({ plan, choice }, null, 2)}\n`);

/**
 * What an earlier session of the same learning chose; the time that a search had does not come back.
 * @throws run/folder, run/changed
 */
export async function earlierChoice(out: string, plan: KeptPlan): Promise<Choice | null> {
  const before = await readTrials(out);
  if (before === null) return null;
  const changed = differences(before.plan, JSON.parse(JSON.stringify(plan)));
  if (changed.length === 0) return before.choice;
  const shown = changed.map((d) => `${d.key}: ${d.before} then, ${d.after} now`).join("; ");
  const problem = `${out} holds something else that was learned (${shown}).`;
  throw new TagllmError("run/changed", problem, cureOf(changed, before.plan));
}

/** null where nothing was chosen yet. */
async function readTrials(out: string): Promise<z.infer<typeof keptSchema> | null> {
  try {
    return keptSchema.parse(JSON.parse(await readFile(join(out, trialsName), "utf8")));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    const problem = `The folder ${out} holds a ${trialsName} that is not of learn.`;
    throw new TagllmError("run/folder", problem, "Restore that file, or choose another folder with --out.", {
      cause,
    });
  }
}

function cureOf(changed: readonly { key: string }[], { minutes, tags }: KeptBefore): string {
  const only = (key: string) => changed.every((c) => c.key === key || c.key.startsWith(`${key}.`));
  if (only("tags")) {
    const way = tags === undefined ? "Leave out --tags" : "Give the --tags of then";
    return `${way} to go on with it. Choose another folder with --out for other tags.`;
  }
  if (only("minutes") && minutes !== undefined)
    return `Give --minutes ${minutes} to go on with it. Choose another folder with --out for a new search.`;
  return "Choose another folder with --out.";
}
