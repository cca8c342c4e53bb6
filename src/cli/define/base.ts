/** The commands that look at a base and at the machine: those of `model` and `cache`, doctor. What one does is loaded when it is called. */
import { common, type Define, seconds } from "./define.ts";

export function baseCommands({ program, add, group }: Define): void {
  const model = group("model", "See what a base is.", [
    ["tagllm model info", "the base that ships with tagllm"],
  ]);

  common(
    add(
      model,
      "info",
      "Architecture, sizes, tokenizer and fingerprint of a checkpoint.",
      [["tagllm model info", "the base that ships with tagllm"]],
      async (_io, [folder], _options) => (await import("../commands/model.ts")).modelInfo(folder),
    ).argument("[folder]", "checkpoint in Hugging Face layout (default: polyglot-5m)"),
  );

  common(
    add(
      program,
      "doctor",
      "Check that this machine can run tagllm, and say what to install where it cannot.",
      [["tagllm doctor", "the first thing to run when something is odd"]],
      async (io, [check]) => (await import("../commands/doctor.ts")).doctor(io, check),
    ).argument("[check]", "this check only"),
  );

  const cache = group("cache", "See and delete keys and values that runs with `disk` have stored.", [
    ["tagllm cache ls", "what is stored, and whether this version uses it"],
  ]);

  common(
    add(
      cache,
      "ls",
      "What is stored for which base, and how large it is.",
      [["tagllm cache ls", "in TAGLLM_CACHE, or ~/.cache/tagllm"]],
      async () => (await import("../commands/cache.ts")).listCache(),
    ),
  );

  common(
    add(
      cache,
      "prune",
      "Delete what this version does not use, all, or what is old.",
      [
        ["tagllm cache prune", "blocks of other versions and processors"],
        ["tagllm cache prune --older 30", "not used for 30 days"],
      ],
      async (_io, _words, options) => (await import("../commands/cache.ts")).pruneCache(options),
    )
      .option("--older <days>", "instead: what was not used for so many days", seconds)
      .option("--all", "instead: everything"),
  );
}
