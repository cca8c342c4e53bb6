/** docs/translate.md: how well `<Translate>` does beside its baselines, as measured by point 5.3. */
import { markdownTable, type Table } from "../bench/table.ts";
import { headingOf } from "../src/evaluate/metric-names.ts";
import type { MethodResult } from "../src/study/methods.ts";
import { type Direction, groupNames, meanOver, methodNames, metricNames } from "./translations.ts";

const scale = (metric: string): number => (metric === "exactMatch" ? 100 : 1);
const titleOf = (metric: string): string => headingOf(metric) + (metric === "exactMatch" ? ", %" : "");

/** Mean ± standard deviation over the seeds; of a method without a seed, its value. */
function cell(result: MethodResult | null | undefined, metric: string): string {
  const mean = result?.mean[metric];
  if (!result || mean === undefined) return "-";
  const shown = (value: number) => (scale(metric) * value).toFixed(1);
  return result.perSeed.length > 1
    ? `${shown(mean)} ± ${shown(result.spread[metric] as number)}`
    : shown(mean);
}

/** A table for each metric: directions, then means of their groups. */
export function translationTables(directions: readonly Direction[]): { title: string; table: Table }[] {
  return metricNames.map((metric) => {
    const rows = directions.map(({ name, methods }) => [
      name,
      ...methodNames.map((method) => cell(methods.get(method), metric)),
    ]);
    const means = groupNames.map((group) => {
      const own = directions.filter((d) => d.group === group);
      return [`mean, ${group}`, ...methodNames.map((method) => cell(meanOver(own, method), metric))];
    });
    const header = [titleOf(metric), ...methodNames.map((m) => (m === "function tag" ? "`<Translate>`" : m))];
    return { title: titleOf(metric), table: [header, ...rows, ...means] };
  });
}

export interface TranslatePage {
  readonly directions: readonly Direction[];
  readonly rows: { readonly scored: number; readonly seeds: number };
  readonly findings: readonly string[];
  readonly commit: string;
}

export function translatePage({ directions, rows, findings, commit }: TranslatePage): string {
  const tables = translationTables(directions).map(({ table }) => markdownTable(table));
  return `# Translating with \`<Translate>\`

Written by \`npm run verify -- 5.3\` (commit ${commit}) from a run of [examples/translate](../examples/translate/study.yaml): polyglot-5m, short phrases in eight languages, ${rows.seeds} seeds, ${rows.scored} scored rows a direction, answers decoded greedily; mean ± standard deviation over the seeds.

**The base saw bilingual lines of all eight languages while it was pretrained** (\`models/polyglot-5m/seen.json\`). The scored rows are none of those, nor are the validation rows that all choices were made on, nor the pairs that tags train on; domain tags also train on phrases that it saw.

${findings.map((finding) => `- ${finding}`).join("\n")}

${tables.join("\n\n")}

The base hardly translates: on validation rows it foretells an answer little better from the true source than from another ([what was tried](notes/2026-11-28-translate.md)). Where \`<Translate>\` was trained it makes it answer in the language that is asked for, which shows where that has letters of its own: a plain prompt does not say which language is wanted. Where it was not trained, plain prompts do better.

## What is compared

- **\`<Translate>\`**: learned on the seen pairs (English and French, German, Italian, Russian, Greek, both ways), with a domain tag for each language. The other pairs it is asked without training: a pair of languages that it knows, and two languages whose domain tags are learned and which it never met.
- **untrained tag**: the same prompt before the tag is trained.
- **wrong domain tag**: the trained tag, with the tag of another target language before it.
- **no tags**: a plain prompt. **few-shot prompt**: the same after answered training rows, drawn anew for each seed. For each direction validation chooses the format and the number of rows by chrF.
- **prompt tuning**: as many vectors as \`<Translate>\` and two domain tags have together, one set for all pairs, without domain tags; the prompt names both languages in words. The same rows, steps and rate search.
- **copied field**: the source as it is. Related languages share many letters, and so chrF.

\`\`\`sh
node examples/translate/prepare.mjs ../shared/data/phrases8 models/polyglot-5m/seen.json examples/translate/phrases.tsv
tagllm train examples/translate/study.yaml
\`\`\`

\`../shared/data/phrases8\` is not part of the repository: it holds \`cldr.tsv\`, names made from the JSON files of [cldr-json](https://github.com/unicode-org/cldr-json), and \`osm_presets.tsv\`, from those of [id-tagging-schema](https://github.com/openstreetmap/id-tagging-schema), each with the columns kind, key, en, fr, de, es, it, pt, ru and el.
`;
}
