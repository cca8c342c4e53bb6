/** The commands that use tags: predict. What one does is loaded when it is called. */
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
      .option("--base <folder>", "checkpoint the tag was trained on (default: polyglot-5m)"),
  );
}
