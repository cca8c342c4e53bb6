/** Every bad input, by category. */
import type { Attack, CommandCase, categories } from "./case.ts";
import { dataAttacks } from "./data.ts";
import { environmentAttacks } from "./environment.ts";
import { flagAttacks } from "./flags.ts";
import { modelAttacks } from "./models.ts";
import { promptAttacks } from "./prompts.ts";
import { studyAttacks } from "./studies.ts";
import { tagAttacks } from "./tags.ts";

const of = (category: (typeof categories)[number], attacks: readonly Attack[]): CommandCase[] =>
  attacks.map((attack) => ({ ...attack, category }));

export const commandCases: readonly CommandCase[] = [
  ...of("study", studyAttacks),
  ...of("data", dataAttacks),
  ...of("prompt", promptAttacks),
  ...of("tag", tagAttacks),
  ...of("model folder", modelAttacks),
  ...of("flags", flagAttacks),
  ...of("environment", environmentAttacks),
];
