/** Point 5.3: `<Translate>` on short phrases, on pairs that it learned and on others, beside what needs no tags. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { textTable } from "../bench/table.ts";
import { duration } from "../src/cli/progress.ts";
import { readRows } from "../src/data/source.ts";
import { beats, type MethodResult } from "../src/study/methods.ts";
import { sharedFolder } from "../test/support/goldens.ts";
import { sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { runProgram } from "./process.ts";
import { exampleFile, root, runStudyFile } from "./studies.ts";
import { translatePage, translationTables } from "./translate-page.ts";
import {
  type Direction,
  directionsOf,
  type Group,
  groupNames,
  meanOver,
  methodNames,
  metricNames,
} from "./translations.ts";

const PAGE = join(root, "docs/translate.md");
const SEEDS = 3;
const MOST_MINUTES = 35;
/** Languages whose letters no other has: a plain prompt seldom answers in them. */
const otherScripts = ["RU", "EL"];
const wanted: Record<Group, readonly string[]> = {
  "seen pairs": ["FR", "DE", "IT", "RU", "EL"].flatMap((l) => [`EN-${l}`, `${l}-EN`]),
  "unseen pairs of seen languages": ["IT-FR", "FR-IT"],
  "languages never seen": ["ES-PT", "PT-ES"],
};

export const translate: Point = {
  id: "5.3",
  asked: `\`<Translate>\` on polyglot-5m and phrases8 (rows that the base has not seen): chrF, BLEU, exact match, ${SEEDS} seeds, for seen pairs, unseen pairs of seen languages and languages that the tag never saw, beside no tags, wrong domain tag, few-shot prompt and prompt tuning.`,
  needs: [sharedData],
  async run({ progress, folder }) {
    const file = exampleFile("translate");
    const table = join(file, "..", "phrases.tsv");
    const seenFile = join(root, "models/polyglot-5m/seen.json");
    const phrases = join(sharedFolder, "data", "phrases8");
    const prepare = [join(file, "..", "prepare.mjs"), phrases, seenFile, table];
    const prepared = await runProgram(process.execPath, prepare, { cwd: root });
    if (prepared.code !== 0) throw new Error(prepared.stderr);
    const report = await runStudyFile(file, join(await folder(), "translate"), progress);
    const directions = directionsOf(report);
    const scored = report.stages.at(-1)?.tasks[0]?.rows.test ?? 0;
    const checks = [
      await unseenRows(table, seenFile),
      ...complete(directions),
      seeds(report.seeds.length),
      ...["no tags", "wrong domain tag", "untrained tag"].map((other) =>
        compared(directions, "seen pairs", other),
      ),
      {
        what: `the run took less than ${MOST_MINUTES} minutes`,
        found: duration(report.seconds),
        pass: report.seconds < 60 * MOST_MINUTES,
      },
    ];
    const others = methodNames.filter((name) => name !== "function tag");
    const latin = directions.filter(({ name }) => !otherScripts.some((l) => name.endsWith(l)));
    const reported = [
      ...groupNames.flatMap((group) => others.map((other) => compared(directions, group, other))),
      ...["no tags", "few-shot prompt"].map((other) =>
        compared(latin, "seen pairs", other, ", answers in Latin letters"),
      ),
    ].filter(({ what }) => !checks.some((check) => check.what === what));
    const all = [...checks.filter(({ what }) => what.includes(" beats ")), ...reported];
    await writeFile(
      PAGE,
      translatePage({
        directions,
        rows: { scored, seeds: report.seeds.length },
        findings: all.map(({ what, found, pass }) => `${what}: ${pass ? "yes" : "no"} (${found})`),
        commit: await commit(),
      }),
    );
    const tables = translationTables(directions).map(({ title, table: t }) => `${title}\n${textTable(t)}`);
    const parts = [
      "The base saw bilingual lines of all these languages in pretraining (seen.json), not the scored rows.",
      ...tables,
      `Required\n${checkLines(checks)}`,
      `Reported\n${checkLines(reported)}`,
      "docs/translate.md was written.",
    ];
    return { measured: parts.join("\n\n"), pass: allPass(checks) };
  },
};

/** From the table and from seen.json, not from what the study says. */
async function unseenRows(table: string, seenFile: string): Promise<Check> {
  const { seen } = JSON.parse(await readFile(seenFile, "utf8")) as {
    seen: { set: string; unseenKeys?: string[] }[];
  };
  const unseen = new Set(seen.find(({ set }) => set === "phrases8")?.unseenKeys);
  const { rows } = await readRows({ file: table });
  const held = rows.filter(({ side }) => side === "test" || side === "validation");
  const known = held.filter(({ key }) => !unseen.has(key as string));
  return {
    what: "no scored and no validation row is one that the base was pretrained on",
    found: `${known.length} of ${held.length}`,
    pass: held.length > 0 && known.length === 0,
  };
}

function complete(directions: readonly Direction[]): Check[] {
  return groupNames.map((group) => {
    const own = directions.filter((d) => d.group === group);
    const missing = wanted[group].flatMap((name) => {
      const methods = own.find((d) => d.name === name)?.methods;
      return methodNames.filter((m) =>
        metricNames.some((metric) => !Number.isFinite(methods?.get(m)?.mean[metric])),
      );
    });
    return {
      what: `${group}: every method and metric for ${wanted[group].join(", ")}`,
      found: missing.length === 0 ? "complete" : `lacks ${[...new Set(missing)].join(", ")}`,
      pass: missing.length === 0 && own.length === wanted[group].length,
    };
  });
}

const seeds = (count: number): Check => ({
  what: `at least ${SEEDS} seeds`,
  found: String(count),
  pass: count >= SEEDS,
});

/** In chrF, mean over the directions of a group. */
function compared(directions: readonly Direction[], group: Group, other: string, which = ""): Check {
  const own = directions.filter((d) => d.group === group);
  const [tag, method] = [meanOver(own, "function tag"), meanOver(own, other)];
  const what = `${group}${which}: \`<Translate>\` beats ${other} in chrF by more than the seeds' spread`;
  if (!tag || !method) return { what, found: "not measured", pass: false };
  return { what, found: `${chrf(tag)} against ${chrf(method)}`, pass: beats(tag, method) };
}

const chrf = ({ mean, spread }: MethodResult): string =>
  `${(mean.chrf as number).toFixed(1)} ± ${(spread.chrf as number).toFixed(1)}`;

async function commit(): Promise<string> {
  const { stdout } = await runProgram("git", ["rev-parse", "--short", "HEAD"], { cwd: root });
  return stdout.trim();
}
