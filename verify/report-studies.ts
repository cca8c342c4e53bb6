/**
 * Two small runs that show all a report can say: a domain, a number, classes and text over two seeds; and a run with
 * everything that a reader must be warned of - seen rows, leaks, cut prompts, dropped rows, a tag that learned nothing.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readRows } from "../src/data/source.ts";
import { sharedFolder } from "../test/support/goldens.ts";

const ROWS = 260;

/** Writes the data and returns the two study files. */
export async function reportStudies(folder: string): Promise<readonly [full: string, warned: string]> {
  await mkdir(folder, { recursive: true });
  const { rows } = await readRows({ file: join(sharedFolder, "data", "moleculenet", "Lipophilicity.csv") });
  const chosen = rows.filter((r) => (r.smiles as string).length <= 60).slice(0, ROWS);
  const line = ({ smiles, exp }: Record<string, string>) => {
    const value = Number(exp);
    const label = value < 1.5 ? "water-loving" : value < 3 ? "in between" : "fat-loving";
    return `${smiles},${exp},${label},${value < 2.2 ? "low" : "high"}`;
  };
  await writeFile(join(folder, "molecules.csv"), `smiles,logD,class,word\n${chosen.map(line).join("\n")}\n`);
  const full = join(folder, "lipophilicity.yaml");
  await writeFile(full, fullStudy);

  // Named as the file that polyglot-5m was pretrained on: its rows count as seen.
  const zinc = await readRows({
    file: join(sharedFolder, "data", "smiles", "zinc_qed_30k.csv"),
    rows: { from: 0, to: 200 },
  });
  const warnedLines = zinc.rows.map((r, i) => {
    const note = `${"as it was found in the archive, with remarks, ".repeat(3)}plate ${i % 40}`;
    return `${r.smiles},"${note}",${i % 37 === 5 ? "n/a" : r.qed}`;
  });
  await writeFile(join(folder, "zinc_qed_30k.csv"), `smiles,remarks,qed\n${warnedLines.join("\n")}\n`);
  const warned = join(folder, "druglikeness.yaml");
  await writeFile(warned, warnedStudy);
  return [full, warned];
}

const fullStudy = `name: lipophilicity
about: How fat-soluble ${ROWS} drug-like molecules are, as a number, as one of three classes and in a word.
seeds: [1, 2]
data:
  molecules: { file: molecules.csv, split: { by: { group: [smiles] }, test: 60, validation: 40 } }
tags:
  SMILES: { kind: domain }
  LogD: { kind: function, answer: number, init: { noise: 0.3 } }
  Class: { kind: function, answer: class, length: 4, init: { noise: 0.3 } }
  Word: { kind: function, answer: text, length: 4 }
stages:
  - name: domain
    train: [SMILES]
    tasks: [{ data: molecules, template: "<SMILES> {smiles}" }]
    steps: 25
    batch: 8
  - name: logd
    train: [LogD]
    tasks: [{ data: molecules, template: "The molecule <SMILES> {smiles}. \\nIts logD is <LogD>", target: logD, molecules: [smiles] }]
    steps: 25
    batch: 8
  - name: class
    train: [Class]
    tasks: [{ data: molecules, template: "The molecule <SMILES> {smiles}. \\nIts class is <Class>", target: class, molecules: [smiles] }]
    steps: 16
    batch: 8
  - name: word
    train: [Word]
    tasks: [{ data: molecules, template: "<SMILES> {smiles} is <Word> {word}", target: word }]
    steps: 8
    batch: 4
`;

const warnedStudy = `name: druglikeness-of-molecules-with-a-name-that-hardly-ends
seeds: [1]
maxTokens: 60
data:
  a-source-with-a-rather-long-name:
    file: zinc_qed_30k.csv
    split: { test: 50, validation: 40 }
tags:
  QuantitativeEstimateOfDruglikeness: { kind: function, answer: number, length: 3 }
stages:
  - name: a-stage-with-a-rather-long-name
    train: [QuantitativeEstimateOfDruglikeness]
    tasks:
      - data: a-source-with-a-rather-long-name
        template: "{smiles}, {remarks}: <QuantitativeEstimateOfDruglikeness>"
        target: qed
    steps: 12
    batch: 8
    rate: 3
`;
