/** The commands that use tags: predict, eval, generate. What one does is loaded when it is called. */
import { InvalidArgumentError, Option } from "commander";
import { type Define, engineOptions, fields, number, texts, wholeNumber } from "./define.ts";

const answerTokens = [
  "--answer-tokens <number>",
  "longest answer in text (default: as in the tag's training, or 64)",
  (text: string): number => {
    if (wholeNumber(text) > 0) return Number(text);
    throw new InvalidArgumentError("An answer has at least one token.");
  },
] as const;

const noReuse = ["--no-reuse", "run every prompt whole and in a row of its own: the plain path"] as const;

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
      .option(...noReuse)
      .option(...answerTokens)
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
      .option(...noReuse)
      .option(...answerTokens)
      .option("--base <base>", "checkpoint folder or hub id the tag was trained on (default: polyglot-5m)"),
  );

  engineOptions(
    add(
      program,
      "generate",
      "Continue a prompt, or the prompt of every row of a table, with text.",
      [
        ['tagllm generate --prompt "In the beginning" --max-tokens 40', "plain text, as it is written"],
        [
          'tagllm generate --template "<EN> {en} <Translate>" --tags tags --field en=bread',
          "a prompt with tags and fields",
        ],
        [
          'tagllm generate --template "{start}" --data starts.csv --temperature 0.8 --seed 1 --out texts.csv',
          "a table",
        ],
        ["cat prompt.txt | tagllm generate --prompt -", "a prompt from a pipe"],
      ],
      async (io, _words, options) => (await import("../commands/generate.ts")).generateText(io, options),
    )
      .option("-p, --prompt <text>", "plain text to continue; - reads it from stdin")
      .option("--template <text>", "a prompt with tags <Name> and fields {name} to continue")
      .option(
        "--chat",
        "the prompt or template is a user's message: the base's chat template writes around it",
      )
      .option("--system <text>", "with --chat: what the system says before it")
      .option("--tags <folder>", "where the template's tags are (default: the current folder)")
      .option("-f, --field <name=value...>", "one field of the template; once for each field", fields)
      .option("-d, --data <file>", "a table whose columns are the fields; - reads JSON lines from stdin")
      .option("-o, --out <file>", "write the table with the texts to .csv, .tsv, .jsonl or .parquet")
      .option("--strict", "stop at the first row that makes no prompt instead of marking it")
      .option("--max-tokens <number>", "tokens of a text at most (default: 128)", wholeNumber)
      .option("--temperature <number>", "above 0 tokens are drawn (default: 0, the likeliest)", number)
      .option("--top-k <number>", "draw from so many of the likeliest tokens (default: all)", wholeNumber)
      .option("--top-p <number>", "draw from the likeliest with this probability together", number)
      .option("--min-p <number>", "draw from those with this share of the likeliest's probability", number)
      .option("--repetition-penalty <number>", "above 1 makes repetition less likely (default: 1)", number)
      .option("--beams <number>", "search with so many beams (default: 1)", wholeNumber)
      .option("--length-penalty <number>", "of beams; above 0 prefers longer texts (default: 1)", number)
      .addOption(
        new Option("--early-stopping <when>", "of beams: when enough have ended (default: no)").choices([
          "yes",
          "no",
          "never",
        ]),
      )
      .option("--stop <text>", "end a text before this one; may be given again", texts)
      .option("--seed <number>", "row i draws with this seed + i (default: 0)", wholeNumber)
      .option("--base <base>", "checkpoint folder or hub id to continue with (default: polyglot-5m)"),
  );
}
