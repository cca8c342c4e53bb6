/** What a run of examples/translate says of each direction: methods by name, and means over groups of directions. */
import { type MethodResult, methodResult } from "../src/study/methods.ts";
import type { Report, TaskReport } from "../src/study/report.ts";

/** In the order of the tables. All are of the stage that learns <Translate> but prompt tuning, a stage of its own. */
export const methodNames = [
  "function tag",
  "untrained tag",
  "wrong domain tag",
  "no tags",
  "few-shot prompt",
  "prompt tuning",
  "copied field",
] as const;

export const metricNames = ["chrf", "bleu", "exactMatch"] as const;

export const groupNames = ["seen pairs", "unseen pairs of seen languages", "languages never seen"] as const;
export type Group = (typeof groupNames)[number];

export interface Direction {
  /** EN-FR */
  readonly name: string;
  readonly group: Group;
  readonly methods: ReadonlyMap<string, MethodResult>;
}

const unseenLanguages = ["ES", "PT"];

export function directionsOf({ stages }: Report): Direction[] {
  const tasksOf = (name: string) => stages.find(({ stage }) => stage === name)?.tasks ?? [];
  const tuned = tasksOf("prompt-tuning");
  return tasksOf("translate").map(({ task, methods }, i): Direction => {
    const [from = "", to = ""] = [...task.matchAll(/<([A-Z]{2})>/g)].map(
      ([, language]) => language as string,
    );
    const prompt = (tuned[i] as TaskReport | undefined)?.methods.find((m) => m.method === "function tag");
    const all = new Map(methods.map((m) => [m.method, m]));
    if (prompt) all.set("prompt tuning", { ...prompt, method: "prompt tuning" });
    return { name: `${from}-${to}`, group: groupOf([from, to]), methods: all };
  });
}

function groupOf(languages: readonly string[]): Group {
  if (languages.some((language) => unseenLanguages.includes(language))) return "languages never seen";
  return languages.includes("EN") ? "seen pairs" : "unseen pairs of seen languages";
}

/** A method's mean over directions, seed by seed; null where one of them lacks it. */
export function meanOver(directions: readonly Direction[], name: string): MethodResult | null {
  const each = directions.map(({ methods }) => methods.get(name));
  const [first] = each;
  if (!first || each.some((m) => m?.perSeed.length !== first.perSeed.length)) return null;
  const perSeed = first.perSeed.map((_, seed) =>
    Object.fromEntries(
      metricNames.map((metric) => {
        const values = each.map((m) => m?.perSeed[seed]?.[metric] as number);
        return [metric, values.reduce((sum, v) => sum + v, 0) / values.length];
      }),
    ),
  );
  return methodResult(name, perSeed);
}
