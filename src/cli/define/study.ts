/** The commands that read a study: train, inspect, demo. What one does is loaded when it is called. */
import { common, type Define, engineOptions, seconds, wholeNumber, wholeNumbers } from "./define.ts";

export function studyCommands({ program, add }: Define): void {
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
      async (io, [study], options) => (await import("../commands/train.ts")).train(io, study!, options),
    )
      .argument("<study>", "study file (YAML)")
      .option("-o, --out <folder>", "run folder (default: runs/<name of the study>)")
      .option("-s, --seed <numbers...>", "seeds instead of the study's", wholeNumbers)
      .option("--no-reuse", "run every prompt whole and in a row of its own, and all of it")
      .option("--checkpoint <seconds>", "time between checkpoints (default: 30)", seconds)
      .option("--dry-run", "print the plan and stop"),
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
      async (io, [study], options) => (await import("../commands/inspect.ts")).inspect(io, study!, options),
    )
      .argument("<study>", "study file (YAML)")
      .option("--stage <name>", "this stage only")
      .option("-n, --rows <number>", "training rows of each task", wholeNumber, 1),
  );

  engineOptions(
    add(
      program,
      "demo",
      "All three stages on a library of molecules that it makes: domain, property, function of two.",
      [["tagllm demo", "a few minutes on two cores"]],
      async (io, _words, options) => (await import("../commands/demo.ts")).demo(io, options),
    ).option("-o, --out <folder>", "run folder (default: runs/demo)"),
  );
}
