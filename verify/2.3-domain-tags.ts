/** Point 2.3: what a domain tag saves on unseen text, against every way to read that text without one. */
import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describeMachine, machineText } from "../bench/machine.ts";
import { markdownTable, type Table, textTable } from "../bench/table.ts";
import { duration } from "../src/cli/progress.ts";
import { grouped } from "../src/cli/table.ts";
import { type Interval, ratioDifference } from "../src/evaluate/bootstrap.ts";
import { bitsPerCharacter, type TextScores } from "../src/evaluate/text.ts";
import type { Base } from "../src/models/base.ts";
import { dataTexts, plainReadings, scorePlain, scoreWithTag } from "../src/study/domain-stage.ts";
import type { Source } from "../src/study/sources.ts";
import type { TaskRow } from "../src/study/tasks.ts";
import { runnerWith, seenRows, type TrainedDomain, withDomains } from "./domains.ts";
import { sharedData } from "./needs.ts";
import type { Point } from "./point.ts";
import { root } from "./studies.ts";

const DOMAINS = 10;
/** Positions that BOS or a blank may take. */
const BESIDE_TEXT = 2;
const page = join(root, "docs", "domain-tags.md");

interface DomainResult {
  readonly tag: string;
  readonly rows: number;
  readonly trained: TextScores;
  readonly untrained: TextScores;
  readonly plain: TextScores;
  /** Name of the best reading without a tag, on these very rows. */
  readonly reading: string;
  /** Tag minus best reading, bits per character. */
  readonly difference: Interval;
}

export const domainTags: Point = {
  id: "2.3",
  asked:
    "Bits per character on unseen rows of SMILES, proteins and 8 languages: with the tag lower than the best reading without it ({BOS, no BOS} x {natural, split}) and than the untrained tag, the 95 % bootstrap interval of the paired difference below zero in every domain.",
  needs: [sharedData],
  async run({ progress, folder }) {
    return withDomains(
      { out: join(await folder(), "domains"), progress },
      async ({ base, report, domains }) => {
        const results: DomainResult[] = [];
        for (const domain of domains) {
          progress.update(`scoring ${domain.tag} ...`);
          results.push(await measure(base, domain));
        }
        progress.clear();
        const table = tableOf(results);
        await writeFile(page, pageOf(table, domains.map(rowsText), report.seconds));
        const pass = results.length === DOMAINS && results.every(helps);
        const trained = `trained in ${duration(report.seconds)}; table written to docs/domain-tags.md`;
        return { measured: `${textTable(table)}\n${trained}`, pass };
      },
    );
  },
};

const helps = ({ trained, untrained, difference }: DomainResult): boolean =>
  difference.high < 0 && bitsPerCharacter(trained) < bitsPerCharacter(untrained);

async function measure(base: Base, domain: TrainedDomain): Promise<DomainResult> {
  const { tag, task } = domain;
  const runner = runnerWith(base, domain.trained);
  const rows = domain.unseen.filter((row) => fits(base, domain, row));
  const trained = await scoreWithTag(runner, task, rows);
  const untrained = await scoreWithTag(runnerWith(base, domain.untrained), task, rows);
  let best: { reading: string; plain: TextScores } | null = null;
  const texts = dataTexts(task, rows);
  for (const reading of plainReadings(base, texts)) {
    const plain = await scorePlain(base, runner, texts, reading);
    if (!best || bitsPerCharacter(plain) < bitsPerCharacter(best.plain))
      best = { reading: reading.name, plain };
  }
  if (!best) throw new Error("there is no reading without a tag");
  const difference = ratioDifference(trained.bits, best.plain.bits, trained.characters, { seed: 1 });
  return { tag, rows: rows.length, trained, untrained, ...best, difference };
}

/** Whether every reading of a row fits the base whole, so that all are scored on the same characters. */
function fits({ tokenizer, architecture }: Base, { task }: TrainedDomain, row: TaskRow): boolean {
  const { pieces, trimmed } = task.compiler.compile(row, { withTarget: false });
  const text = pieces.map((piece) => (piece.kind === "field" ? piece.text : "")).join("");
  const tokens = tokenizer.encodeCharacters(text, { atStart: true }).length;
  return trimmed.length === 0 && tokens + BESIDE_TEXT <= architecture.maxPositions;
}

function tableOf(results: readonly DomainResult[]): Table {
  const number = (x: number) => x.toFixed(3);
  return [
    [
      "domain",
      "rows",
      "best without a tag",
      "its bits/char",
      "untrained tag",
      "tag",
      "tag - best",
      "95 % interval",
    ],
    ...results.map(({ tag, rows, reading, plain, untrained, trained, difference: d }) => [
      tag,
      String(rows),
      reading,
      ...[plain, untrained, trained].map((scores) => number(bitsPerCharacter(scores))),
      number(d.value),
      `${number(d.low)} to ${number(d.high)}`,
    ]),
  ];
}

/** Which rows trained a tag and which are scored. */
function rowsText({ tag, task: { source }, held }: TrainedDomain): string {
  const rows = ({ table }: Source) => {
    const [first, last] = [table.rowNumbers[0] as number, table.rowNumbers.at(-1) as number];
    return `rows ${grouped(first)} to ${grouped(last)} of \`${basename(table.files[0]?.path ?? "")}\``;
  };
  const seen = seenRows(source) ? " (the base was pretrained on them too)" : "";
  return `- ${tag}: trained on ${rows(source)}${seen}, scored on ${rows(held)}.`;
}

const pageOf = (table: Table, notes: readonly string[], seconds: number): string => `# What a domain tag saves

Bits per character of unseen text on polyglot-5m, with a trained domain tag of ten vectors before it, and without. Lower is better. This page is written by

\`\`\`sh
npm run verify -- 2.3
\`\`\`

which trains one tag per domain (\`examples/domains/study.yaml\`, one seed) and scores rows that neither the tag nor the base was trained on. "Best without a tag" is the best of eight readings, chosen on the very rows that are scored: with BOS or without, natural tokens or one per character, a blank before the text or not. Without BOS the first token costs a uniform choice from the vocabulary. The interval is a paired bootstrap over rows (2,000 resamples) of the difference of the tag and that reading. Rows are counted from 0.

${markdownTable(table)}

${notes.join("\n")}

Trained in ${duration(seconds)} on ${machineText(describeMachine())}.
`;
