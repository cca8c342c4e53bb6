/** The commands that look at a base and at the machine: those of `model`, doctor. What one does is loaded when it is called. */
import { common, type Define } from "./define.ts";

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
}
