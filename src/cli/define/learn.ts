/** The commands that begin with a table: learn, init. What one does is loaded when it is called. */
import { answerOption, common, type Define, engineOptions, oneOrMore, seconds } from "./define.ts";

export function tableCommands({ program, add }: Define): void {
  engineOptions(
    add(
      program,
      "learn",
      "From a table to tags: domain tags, a searched recipe, seeds, baselines, report - without a study file.",
      [
        ["tagllm learn molecules.csv", "say what the table holds and what could be learned"],
        ["tagllm learn molecules.csv --input smiles:SMILES --target logS", "learn it, in about 5 minutes"],
        ["tagllm learn pairs.csv --input seq:Protein drug:SMILES --target pKd --minutes 30", "two inputs"],
      ],
      async (io, [file], options) => (await import("../commands/learn.ts")).learnTable(io, file!, options),
    )
      .argument("<data>", "table: CSV, TSV, JSON lines, Parquet (docs/data.md)")
      .option("-i, --input <column:Tag...>", "a column and the domain tag that says what it holds")
      .option("-t, --target <column>", "the column to predict")
      .addOption(answerOption())
      .option("-o, --out <folder>", "where everything goes (default: runs/<name of the table>)")
      .option("--tags <folder>", "domain tags that need not be learned again")
      .option("--seeds <number>", "trainings with different seeds (default: 3)", oneOrMore)
      .option("--minutes <number>", "time for all of it, roughly (default: 5)", seconds)
      .option("--base <base>", "checkpoint folder or hub id to learn on (default: polyglot-5m)"),
  );

  common(
    add(
      program,
      "init",
      "Write a commented study from a table, to edit and train.",
      [["tagllm init molecules.csv --input smiles:SMILES --target logS", "into study.yaml"]],
      async (io, [file], options) => (await import("../commands/init.ts")).init(io, file!, options),
    )
      .argument("<data>", "table: CSV, TSV, JSON lines, Parquet (docs/data.md)")
      .option("-i, --input <column:Tag...>", "a column and the domain tag that says what it holds")
      .option("-t, --target <column>", "the column to predict")
      .addOption(answerOption())
      .option("-o, --out <file>", "the study (default: study.yaml)")
      .option("--force", "replace a file that is there"),
  );
}
