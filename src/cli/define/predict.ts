/** The commands that use tags: predict, eval. What one does is loaded when it is called. */
import { type Define, engineOptions, fields } from "./define.ts";

export function useCommands({ program, add }: Define): void {
  engineOptions(
    add(
      program,
      "predict",
      "Predict with a function tag and the domain tags of its prompt.",
      [
        ["tagllm predict --tag tags/Solubility.safetensors --field smiles=CCO", "one row"],
        ["tagllm predict --tag Solubility --tags tags --data molecules.csv --out solubility.csv", "a table"],
        [
          "cat molecules.jsonl | tagllm predict --tag Solubility --tags tags --data -",
          "a pipe of JSON lines",
        ],
      ],
      async (io, _words, options) => (await import("../commands/predict.ts")).predictRows(io, options),
    )
      .requiredOption("-t, --tag <file or name>", "the function tag")
      .option("--tags <folder>", "where the tags are (default: the folder of the tag's file)")
      .option("-f, --field <name=value...>", "one field of the prompt; once for each field", fields)
      .option("-d, --data <file>", "a table whose columns are the fields; - reads JSON lines from stdin")
      .option(
        "-o, --out <file>",
        "write the table with predictions to .csv, .tsv, .jsonl or .parquet instead of stdout",
      )
      .option("--strict", "stop at the first row that cannot be predicted instead of marking it")
      .option("--base <base>", "checkpoint folder or hub id the tag was trained on (default: polyglot-5m)"),
  );

  engineOptions(
    add(
      program,
      "eval",
      "Score a tag on a labelled table: metrics with intervals, coverage, what a constant would reach.",
      [
        ["tagllm eval runs/solubility/tags new.csv", "the folder's function tag"],
        ["tagllm eval tags new.csv --tag Solubility --target measured", "the truth in another column"],
        ["tagllm eval tags molecules.csv --tag SMILES --target smiles", "a domain tag: bits per character"],
      ],
      async (io, [folder, data], options) =>
        (await import("../commands/eval.ts")).evaluate(io, folder!, data!, options),
    )
      .argument("<tags>", "folder of tag files")
      .argument("<data>", "table with the fields of the prompt and the truth")
      .option("-t, --tag <name>", "the tag (default: the folder's only function tag)")
      .option(
        "--target <column...>",
        "columns with the truth, one per output (default: as the tag calls them)",
      )
      .option("--base <base>", "checkpoint folder or hub id the tag was trained on (default: polyglot-5m)"),
  );
}
