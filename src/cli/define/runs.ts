/** The commands that read runs: report and those of `runs`. What one does is loaded when it is called. */
import { Option } from "commander";
import { common, type Define, engineOptions } from "./define.ts";

export function runCommands({ program, add, group }: Define): void {
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
      async (io, _words, options, rest) => (await import("../commands/report.ts")).report(io, rest, options),
    )
      .argument("<runs...>", "run folders")
      .option("-o, --out <file>", "the file (default: report.html in the run's folder; md, json: stdout)")
      .addOption(
        new Option("--format <name>", "what to write").choices(["html", "md", "json"]).default("html"),
      )
      .option("--base <base>", "base for the geometry of the tags (default: the study's)"),
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
      async (_io, [folder]) => (await import("../commands/runs.ts")).listRuns(folder ?? "runs"),
    ).argument("[folder]", "where to look (default: runs)"),
  );

  common(
    add(
      runs,
      "show",
      "What a run is, and its report in short.",
      [["tagllm runs show runs/solubility", "tables and a sentence for every task"]],
      async (_io, [run]) => (await import("../commands/runs.ts")).showRun(run!),
    ).argument("<run>", "run folder"),
  );

  common(
    add(
      runs,
      "compare",
      "Runs beside each other: what their tags reached, and where their studies differ.",
      [["tagllm runs compare runs/a runs/b", "two runs or more"]],
      async (_io, _words, _options, rest) => (await import("../commands/runs.ts")).compareRunFolders(rest),
    ).argument("<runs...>", "run folders"),
  );

  common(
    add(
      runs,
      "rm",
      "Remove run folders with all that is in them.",
      [["tagllm runs rm runs/old --yes", "without --yes it only says what it would remove"]],
      async (_io, _words, options, rest) => (await import("../commands/runs.ts")).removeRuns(rest, options),
    )
      .argument("<runs...>", "run folders")
      .option("--yes", "do it"),
  );
}
