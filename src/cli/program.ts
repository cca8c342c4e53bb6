/**
 * The commands, their options and their help. What a command does is loaded when it is called, so that help
 * is there at once.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { version } from "../version.ts";
import { colorsFor, type Io, terminalIo } from "./io.ts";
import { exitCodeOf, exitCodes, failureOf, failureText, type Result, UsageError } from "./result.ts";

/** `rest` holds what an argument of several words was given. */
type Action = (io: Io, words: string[], options: Record<string, unknown>, rest: string[]) => Promise<Result>;

/** Runs one command line and returns the exit code; nothing is thrown. */
export async function runCommandLine(words: string[]): Promise<number> {
  leaveQuietlyWhenReaderIsGone();
  let code: number = exitCodes.ok;
  const program = buildProgram((result, json) => {
    process.stdout.write(json ? `${JSON.stringify(result.json)}\n` : `${result.text.trimEnd()}\n`);
    if (result.ok === false) code = exitCodes.failure;
  });
  try {
    await program.parseAsync(words, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return reportFailure(error, words);
  }
}

function reportFailure(error: unknown, words: readonly string[]): number {
  const failure = failureOf(error);
  if (words.includes("--json")) process.stdout.write(`${JSON.stringify({ error: failure })}\n`);
  process.stderr.write(failureText(failure, colorsFor(process.stderr)));
  if (words.includes("--debug") && error instanceof Error) process.stderr.write(`${trace(error)}\n`);
  return exitCodeOf(failure);
}

function trace(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${trace(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

/** `tagllm ... | head` is no error. */
function leaveQuietlyWhenReaderIsGone(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(exitCodes.ok);
    throw error;
  });
}

function buildProgram(print: (result: Result, json: boolean) => void): Command {
  const program = new Command("tagllm")
    .description("Learn small input tags for a frozen language model from a table of domain data.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand(false);
  examples(program, [
    ["tagllm demo", "all three stages on molecules, in a few minutes"],
    ["tagllm inspect study.yaml", "see what the model will read"],
    ["tagllm train study.yaml", "learn the tags of a study"],
    ["tagllm predict --tag runs/study/tags/Solubility.safetensors --field smiles=CCO", "use one"],
  ]);

  const add = (parent: Command, name: string, about: string, shown: readonly Example[], action: Action) => {
    const command = parent.command(name).description(about).helpOption("-h, --help", "show help");
    examples(command, shown);
    return command.action(async (...all: unknown[]) => {
      const options = command.opts<Record<string, unknown>>();
      const io = terminalIo();
      try {
        const given = all.slice(0, -2).filter((word) => typeof word === "string");
        const rest = all.slice(0, -2).filter(Array.isArray).flat() as string[];
        print(await action(io, given, options, rest), options.json === true);
      } finally {
        io.progress.clear();
      }
    });
  };
  const group = (name: string, about: string, shown: readonly Example[]) => {
    const command = program.command(name).description(about).helpOption("-h, --help", "show help");
    examples(command, shown);
    return command.helpCommand(false);
  };

  engineOptions(
    add(
      program,
      "train",
      "Learn the tags of a study, stage by stage; write tags, events and a report to a run folder.",
      [
        ["tagllm train study.yaml --dry-run", "say what would be done"],
        ["tagllm train study.yaml", "into runs/<name of the study>"],
        ["tagllm train study.yaml --seed 1 2 3 --out runs/three", "one run of all stages per seed"],
      ],
      async (io, [study], options) => (await import("./commands/train.ts")).train(io, study!, options),
    )
      .argument("<study>", "study file (YAML)")
      .option("-o, --out <folder>", "run folder (default: runs/<name of the study>)")
      .option("-s, --seed <numbers...>", "seeds instead of the study's", wholeNumbers)
      .option("--no-reuse", "run every prompt whole instead of storing what stays the same")
      .option("--checkpoint <seconds>", "time between checkpoints (default: 30)", seconds)
      .option("--dry-run", "print the plan and stop"),
  );

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
      async (io, [file], options) => (await import("./commands/learn.ts")).learnTable(io, file!, options),
    )
      .argument("<data>", "table: CSV, TSV or JSON lines")
      .option("-i, --input <column:Tag...>", "a column and the domain tag that says what it holds")
      .option("-t, --target <column>", "the column to predict")
      .addOption(answerOption())
      .option("-o, --out <folder>", "where everything goes (default: runs/<name of the table>)")
      .option("--tags <folder>", "domain tags that need not be learned again")
      .option("--seeds <number>", "trainings with different seeds (default: 3)", wholeNumber)
      .option("--minutes <number>", "time for all of it, roughly (default: 5)", seconds)
      .option("--base <folder>", "checkpoint to learn on (default: polyglot-5m)"),
  );

  add(
    program,
    "init",
    "Write a commented study from a table, to edit and train.",
    [["tagllm init molecules.csv --input smiles:SMILES --target logS", "into study.yaml"]],
    async (io, [file], options) => (await import("./commands/init.ts")).init(io, file!, options),
  )
    .argument("<data>", "table: CSV, TSV or JSON lines")
    .option("-i, --input <column:Tag...>", "a column and the domain tag that says what it holds")
    .option("-t, --target <column>", "the column to predict")
    .addOption(answerOption())
    .option("-o, --out <file>", "the study (default: study.yaml)")
    .option("--force", "replace a file that is there");

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
      async (io, _words, options) => (await import("./commands/predict.ts")).predictRows(io, options),
    )
      .requiredOption("-t, --tag <file or name>", "the function tag")
      .option("--tags <folder>", "where the tags are (default: the folder of the tag's file)")
      .option("-f, --field <name=value...>", "one field of the prompt; once for each field", fields)
      .option("-d, --data <file>", "a table whose columns are the fields; - reads JSON lines from stdin")
      .option(
        "-o, --out <file>",
        "write the table with predictions to .csv, .tsv or .jsonl instead of stdout",
      )
      .option("--strict", "stop at the first row that cannot be predicted instead of marking it")
      .option("--base <folder>", "checkpoint the tag was trained on (default: polyglot-5m)"),
  );

  engineOptions(
    add(
      program,
      "report",
      "Write what runs found as one file: HTML for screen and paper, Markdown or JSON.",
      [
        ["tagllm report runs/solubility", "into runs/solubility/report.html"],
        ["tagllm report runs/a runs/b --out both.html", "two runs, compared"],
        ["tagllm report runs/solubility --format md", "Markdown on stdout"],
      ],
      async (io, _words, options, rest) => (await import("./commands/report.ts")).report(io, rest, options),
    )
      .argument("<runs...>", "run folders")
      .option("-o, --out <file>", "the file (default: report.html in the run's folder; md, json: stdout)")
      .addOption(
        new Option("--format <name>", "what to write").choices(["html", "md", "json"]).default("html"),
      )
      .option("--base <folder>", "base for the geometry of the tags (default: the study's)"),
  );

  const runs = group("runs", "See, compare and remove runs.", [
    ["tagllm runs list", "and runs show RUN, runs compare RUN RUN, runs rm RUN"],
  ]);
  common(
    add(
      runs,
      "list",
      "The run folders below a folder, and what they reached.",
      [["tagllm runs list", "those in runs"]],
      async (_io, [folder]) => (await import("./commands/runs.ts")).listRuns(folder ?? "runs"),
    ).argument("[folder]", "where to look (default: runs)"),
  );
  common(
    add(
      runs,
      "show",
      "What a run is, and its report in short.",
      [["tagllm runs show runs/solubility", "tables and a sentence for every task"]],
      async (_io, [run]) => (await import("./commands/runs.ts")).showRun(run!),
    ).argument("<run>", "run folder"),
  );
  common(
    add(
      runs,
      "compare",
      "Runs beside each other: what their tags reached, and where their studies differ.",
      [["tagllm runs compare runs/a runs/b", "two runs or more"]],
      async (_io, _words, _options, rest) => (await import("./commands/runs.ts")).compareRunFolders(rest),
    ).argument("<runs...>", "run folders"),
  );
  common(
    add(
      runs,
      "rm",
      "Remove run folders with all that is in them.",
      [["tagllm runs rm runs/old --yes", "without --yes it only says what it would remove"]],
      async (_io, _words, options, rest) => (await import("./commands/runs.ts")).removeRuns(rest, options),
    )
      .argument("<runs...>", "run folders")
      .option("--yes", "do it"),
  );

  const tags = group("tags", "See what tags there are.", [
    ["tagllm tags list runs/solubility/tags", "and tags show FILE"],
  ]);
  common(
    add(
      tags,
      "list",
      "The tags of a folder, damaged files included.",
      [["tagllm tags list runs/solubility/tags", "names, kinds and what they answer"]],
      async (_io, [folder], _options) => (await import("./commands/tags.ts")).listFolder(folder ?? "."),
    ).argument("[folder]", "folder of tag files (default: this one)"),
  );
  common(
    add(
      tags,
      "show",
      "All that a tag file says about its tag.",
      [["tagllm tags show tags/Solubility.safetensors", "template, base, scores, where it came from"]],
      async (_io, [file], _options) => (await import("./commands/tags.ts")).showTag(file!),
    ).argument("<file>", "tag file"),
  );

  common(
    add(
      program,
      "inspect",
      "Show the prompts of a study as the model reads them: tokens, tag slots, spans, isolation, loss.",
      [
        ["tagllm inspect study.yaml", "one row of every task"],
        ["tagllm inspect study.yaml --stage affinity --rows 3", "three rows of one stage"],
      ],
      async (io, [study], options) => (await import("./commands/inspect.ts")).inspect(io, study!, options),
    )
      .argument("<study>", "study file (YAML)")
      .option("--stage <name>", "this stage only")
      .option("-n, --rows <number>", "training rows of each task", wholeNumber, 1),
  );

  const model = group("model", "See what a base is.", [
    ["tagllm model info", "the base that ships with tagllm"],
  ]);
  common(
    add(
      model,
      "info",
      "Architecture, sizes, tokenizer and fingerprint of a checkpoint.",
      [["tagllm model info", "the base that ships with tagllm"]],
      async (_io, [folder], _options) => (await import("./commands/model.ts")).modelInfo(folder),
    ).argument("[folder]", "checkpoint in Hugging Face layout (default: polyglot-5m)"),
  );

  common(
    add(
      program,
      "doctor",
      "Check that this machine can run tagllm, and say what to install where it cannot.",
      [["tagllm doctor", "the first thing to run when something is odd"]],
      async (io, [check]) => (await import("./commands/doctor.ts")).doctor(io, check),
    ).argument("[check]", "this check only"),
  );

  engineOptions(
    add(
      program,
      "demo",
      "All three stages on a library of molecules that it makes: domain, property, function of two.",
      [["tagllm demo", "a few minutes on two cores"]],
      async (io, _words, options) => (await import("./commands/demo.ts")).demo(io, options),
    ).option("-o, --out <folder>", "run folder (default: runs/demo)"),
  );

  for (const command of everyCommand(program)) reportUsage(command);
  return program;
}

function answerOption(): Option {
  const about = "what to predict (default: what the column holds)";
  return new Option("--answer <kind>", about).choices(["number", "class"]);
}

type Example = readonly [command: string, what: string];

function examples(command: Command, shown: readonly Example[]): void {
  const width = Math.max(...shown.map(([line]) => line.length));
  const lines = shown.map(([line, what]) =>
    width > 60 ? `  # ${what}\n  ${line}` : `  ${line.padEnd(width)}  # ${what}`,
  );
  command.addHelpText("before", `Examples:\n${lines.join("\n")}\n`);
}

function common(command: Command): Command {
  return command
    .option("--json", "one JSON object on stdout")
    .option("--debug", "with an error, also where in the code it came from");
}

function engineOptions(command: Command): Command {
  command
    .option("--device <name>", "cpu or webgpu", device)
    .option("--threads <number>", "threads of the engine (default: all cores)", wholeNumber);
  return common(command);
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** Commander's own messages in the form of all others. */
function reportUsage(command: Command): void {
  const full = [...ancestors(command), command].map((c) => c.name()).join(" ");
  command.configureOutput({ outputError: () => undefined });
  command.exitOverride((error) => {
    if (error.exitCode === 0 || error.code === "commander.help") throw error;
    const [problem = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
    const hint = rest.join(" ").replace(/^\((.*)\)$/, "$1");
    throw new UsageError(sentence(problem), hint ? `${hint} ${seeHelp(full)}` : seeHelp(full));
  });
}

function ancestors(command: Command): Command[] {
  return command.parent ? [...ancestors(command.parent), command.parent] : [];
}

function seeHelp(command: string): string {
  return `\`${command} --help\` shows how it is used.`;
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return capital.endsWith(".") ? capital : `${capital}.`;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

function seconds(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${text} is not a positive number.`);
}

function wholeNumbers(text: string, before: number[] | undefined): number[] {
  return [...(before ?? []), wholeNumber(text)];
}

function fields(text: string, before: Record<string, string> | undefined): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be name=value.");
  const name = text.slice(0, at);
  if (before && Object.hasOwn(before, name))
    throw new InvalidArgumentError(`It gives ${name} a second time.`);
  return { ...before, [name]: text.slice(at + 1) };
}

function device(text: string): string {
  if (text !== "cpu" && text !== "webgpu") throw new InvalidArgumentError("It must be cpu or webgpu.");
  return text;
}
