/** The commands that look at a base and at the machine: those of `model` and `cache`, doctor. What one does is loaded when it is called. */
import { common, type Define, seconds } from "./define.ts";

export function baseCommands({ program, add, group }: Define): void {
  const model = group("model", "See what a base is, and get one from the hub.", [
    ["tagllm model info", "the base that ships with tagllm"],
    ["tagllm model pull HuggingFaceTB/SmolLM2-135M", "into the cache that Python uses too"],
  ]);

  common(
    add(
      model,
      "info",
      "Architecture, sizes, tokenizer and fingerprint of a checkpoint.",
      [
        ["tagllm model info", "the base that ships with tagllm"],
        ["tagllm model info HuggingFaceTB/SmolLM2-135M", "one of the hub, downloaded unless it is there"],
      ],
      async (io, [base]) => (await import("../commands/model.ts")).modelInfo(io, base),
    ).argument("[base]", "checkpoint folder or hub id (default: polyglot-5m)"),
  );

  common(
    add(
      model,
      "pull",
      "Download what a base needs from the Hugging Face hub, or verify what is there.",
      [
        ["tagllm model pull HuggingFaceTB/SmolLM2-135M", "then give this id wherever a base is asked for"],
        ["tagllm model pull openai-community/gpt2 --revision main", "a branch, tag or commit"],
      ],
      async (io, [id], options) => (await import("../commands/model.ts")).pull(io, id!, options),
    )
      .argument("<id>", "ORG/NAME, or ORG/NAME@REVISION")
      .option("--revision <name>", "branch, tag or commit (default: main)"),
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
