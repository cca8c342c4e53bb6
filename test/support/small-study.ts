/** A study of a few seconds: a domain tag, then a number, two seeds. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Writes rows.csv and study.yaml into a folder; returns the study's path. */
export async function smallStudy(folder: string, steps = 12): Promise<string> {
  const rows = Array.from({ length: 120 }, (_, i) => {
    const text = Array.from({ length: 4 + (i % 7) }, (_, k) => "CNO"[(i * (k + 3) + ((i * i) % 5)) % 3]).join(
      "",
    );
    return `${text},${[...text].filter((c) => c === "O").length},${text.length}`;
  });
  await writeFile(join(folder, "rows.csv"), `text,oxygens,length\n${rows.join("\n")}\n`);
  const study = join(folder, "study.yaml");
  await writeFile(
    study,
    `name: small
seeds: [1, 2]
data:
  rows: { file: rows.csv, split: { test: 20, validation: 20 } }
tags:
  Chain: { kind: domain, length: 3 }
  Count: { kind: function, answer: number, length: 2, init: { noise: 0.3 } }
stages:
  - name: domain
    train: [Chain]
    tasks: [{ data: rows, template: "<Chain> {text}" }]
    steps: ${Math.ceil(steps / 2)}
    batch: 4
  - name: count
    train: [Count]
    tasks: [{ data: rows, template: "Chain <Chain> {text} has <Count>", target: oxygens }]
    steps: ${steps}
    batch: 8
    validateEvery: 5
    head: { solveEvery: 2, solveRows: 50 }
`,
  );
  return study;
}
