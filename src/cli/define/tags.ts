/** The commands of `tags`. What one does is loaded when it is called. */
import { common, type Define } from "./define.ts";

export function tagCommands({ add, group }: Define): void {
  const tags = group("tags", "See what tags there are.", [
    ["tagllm tags list runs/solubility/tags", "and tags show FILE"],
  ]);

  common(
    add(
      tags,
      "list",
      "The tags of a folder, damaged files included.",
      [["tagllm tags list runs/solubility/tags", "names, kinds and what they answer"]],
      async (_io, [folder], _options) => (await import("../commands/tags.ts")).listFolder(folder ?? "."),
    ).argument("[folder]", "folder of tag files (default: this one)"),
  );

  common(
    add(
      tags,
      "show",
      "All that a tag file says about its tag.",
      [["tagllm tags show tags/Solubility.safetensors", "template, base, scores, where it came from"]],
      async (_io, [file], _options) => (await import("../commands/tags.ts")).showTag(file!),
    ).argument("<file>", "tag file"),
  );
}
