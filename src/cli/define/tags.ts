/** The commands of `tags`. What one does is loaded when it is called. */
import { type Command, Option } from "commander";
import { common, type Define, engineOptions } from "./define.ts";

export function tagCommands(define: Define): void {
  const { add, group } = define;
  const tags = group("tags", "See, rename, copy and remove tags; push and pull them.", [
    ["tagllm tags list runs/solubility/tags", "and tags show FILE, tags copy FILE FOLDER, ..."],
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

  common(
    add(
      tags,
      "rename",
      "Give a tag another name, also in the function tags beside it that ask for it.",
      [["tagllm tags rename tags/SMILES.safetensors Molecule", "<SMILES> becomes <Molecule>"]],
      async (_io, [file, name]) => (await import("../commands/change-tags.ts")).rename(file!, name!),
    )
      .argument("<file>", "tag file")
      .argument("<name>", "its new name"),
  );

  common(
    add(
      tags,
      "copy",
      "Copy a tag into a folder, with the domain tags it asks for.",
      [
        [
          "tagllm tags copy runs/solubility/tags/Solubility.safetensors tags",
          "and SMILES, unless it is there",
        ],
      ],
      async (_io, [file, folder]) => (await import("../commands/change-tags.ts")).copy(file!, folder!),
    )
      .argument("<file>", "tag file")
      .argument("<folder>", "where to; made if it is not there"),
  );

  common(
    add(
      tags,
      "rm",
      "Remove tag files.",
      [["tagllm tags rm tags/Old.safetensors --yes", "without --yes it only says what would be lost"]],
      async (_io, _words, options, rest) =>
        (await import("../commands/change-tags.ts")).remove(rest, options),
    )
      .argument("<files...>", "tag files")
      .option("--yes", "do it"),
  );

  engineOptions(
    add(
      tags,
      "verify",
      "Check tag files: content, promises, the tags they ask for, base, and that they make a difference.",
      [
        ["tagllm tags verify tags", "exit code 1 when anything is wrong"],
        ["tagllm tags verify tags/SMILES.safetensors --base ../llama", "one tag, of another base"],
      ],
      async (io, [path], options) => (await import("../commands/verify-tags.ts")).verify(io, path!, options),
    )
      .argument("<file or folder>", "tag file, or folder of them")
      .option("--base <base>", "checkpoint folder or hub id the tags were trained on (default: polyglot-5m)"),
  );

  common(
    add(
      tags,
      "import",
      "Make a tag of vectors that another program saved: a .npy file, or a prompt-tuning adapter of PEFT.",
      [
        [
          "tagllm tags import smiles.npy --name SMILES --kind domain --into tags",
          "one matrix [vectors, width]",
        ],
        [
          'tagllm tags import adapter --name Mood --kind function --template "{text} <Mood> {mood}" --into tags',
          "a PEFT folder; a function tag needs its prompt",
        ],
      ],
      async (io, [file], options) =>
        (await import("../commands/exchange-tags.ts")).importFile(io, file!, options),
    )
      .argument("<file>", ".npy file, or folder of an adapter")
      .requiredOption("--name <name>", "what the tag is to be called")
      .addOption(kindOption())
      .option("--into <folder>", "the library it goes into (default: this folder)")
      .option(
        "--base <base>",
        "checkpoint folder or hub id the vectors were trained on (default: polyglot-5m)",
      )
      .option("--template <prompt>", "function tags: the prompt, in which the tag stands at the end")
      .addOption(new Option("--answer <kind>", "function tags: what it answers with").choices(["text"]))
      .option(
        "--output <field>",
        "function tags: what the answer is called (default: the field after the tag)",
      )
      .option("--split-characters", "domain tags: the field that follows is split into characters")
      .option("--isolate", "function tags: the spans of its prompt see only themselves")
      .option("--no-isolate", "domain tags: its spans see what is before them, always")
      .option("--bos", "prompts begin with BOS"),
  );

  common(
    add(
      tags,
      "export",
      "Write a tag's vectors for another program.",
      [
        ["tagllm tags export tags/SMILES.safetensors --format npy --out smiles.npy", "for numpy"],
        [
          "tagllm tags export tags/SMILES.safetensors --format peft --out adapter",
          "for PeftModel.from_pretrained",
        ],
      ],
      async (io, [file], options) =>
        (await import("../commands/exchange-tags.ts")).exportFile(io, file!, options),
    )
      .argument("<file>", "tag file")
      .addOption(
        new Option("--format <name>", "what to write").choices(["npy", "peft"]).makeOptionMandatory(),
      )
      .requiredOption("-o, --out <path>", "the file, or for peft the folder; it must not be there yet"),
  );

  hubCommands(define, tags);
}

function hubCommands({ add }: Define, tags: Command): void {
  common(
    add(
      tags,
      "push",
      "Push a library to the Hugging Face hub, with a model card made from its tags.",
      [
        [
          "tagllm tags push runs/solubility/tags lab/solubility --license apache-2.0",
          "HF_TOKEN may write there",
        ],
        ["tagllm tags push tags lab/ours --private", "the repository is made a private one"],
      ],
      async (io, [folder, id], options) =>
        (await import("../commands/hub-tags.ts")).push(io, folder!, id!, options),
    )
      .argument("<library>", "folder of tag files")
      .argument("<id>", "ORG/NAME; made if it is not there")
      .option("--license <name>", "for the card: an identifier of the hub's, such as apache-2.0")
      .option("--private", "where the repository has to be made"),
  );

  common(
    add(
      tags,
      "pull",
      "Get the tags of a repository on the Hugging Face hub, each checked.",
      [
        ["tagllm tags pull lab/solubility", "into the folder solubility"],
        ["tagllm tags pull lab/solubility --into tags", "into a library that is there"],
      ],
      async (io, [id], options) => (await import("../commands/hub-tags.ts")).pull(io, id!, options),
    )
      .argument("<id>", "ORG/NAME, or ORG/NAME@REVISION")
      .option("--into <folder>", "the library they go into (default: NAME)")
      .option("--revision <name>", "branch, tag or commit (default: main)"),
  );
}

function kindOption(): Option {
  return new Option("--kind <kind>", "what it is to be")
    .choices(["domain", "function"])
    .makeOptionMandatory();
}
