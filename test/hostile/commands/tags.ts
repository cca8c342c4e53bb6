/** Tag files that cannot be used as asked. */
import { copyFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defaultBase } from "../../../src/models/default-base.ts";
import { loadTag, saveTag } from "../../../src/tags/file.ts";
import type { Tag } from "../../../src/tags/tag.ts";
import { encodeSafetensors } from "../../../src/weights/safetensors.ts";
import type { Attack } from "./case.ts";
import { copiedTags, type World } from "./world.ts";

const ask = ["predict", "--tag", "tags/Size.safetensors", "--field", "word=CCO"];

/** Spoils one of the copied tags, then asks. */
const spoiled = (spoil: (tags: string) => Promise<unknown>) => async (folder: string, world: World) => {
  await spoil(await copiedTags(folder, world));
  return ask;
};

/** Replaces a tag by an altered one, written in good order. */
const altered = (name: string, change: (tag: Tag) => Partial<Tag>) =>
  spoiled(async (tags) => {
    const file = join(tags, `${name}.safetensors`);
    const tag = await loadTag(file);
    await saveTag(file, { ...tag, ...change(tag) });
  });

/** Replaces text of the same length in a file. */
const patched = (from: string, to: string) =>
  spoiled(async (tags) => {
    const file = join(tags, "Size.safetensors");
    const text = (await readFile(file)).toString("latin1");
    if (!text.includes(from) || from.length !== to.length) throw new Error(`cannot patch ${from}`);
    await writeFile(file, Buffer.from(text.replace(from, to), "latin1"));
  });

/** A command of `tags` on the copied tags. */
const asked =
  (...words: string[]) =>
  async (folder: string, world: World) => {
    await copiedTags(folder, world);
    return ["tags", ...words];
  };

/** A file of another program, given as a tag. */
const imported =
  (name: string, kind = "domain") =>
  async () => [...["tags", "import", join(foreign, name)], "--name", "New", "--kind", kind];
const foreign = fileURLToPath(new URL("../../golden/foreign/", import.meta.url));

const other = "f".repeat(64);

export const tagAttacks: Attack[] = [
  {
    name: "no such file",
    code: "tag/missing",
    mentions: ["Nothing"],
    prepare: async () => ["predict", "--tag", "Nothing.safetensors", "--field", "word=C"],
  },
  {
    name: "a tag that the folder does not have",
    code: "tag/missing",
    mentions: ["Sise"],
    prepare: async (_f, w) => ["predict", "--tag", "Sise", "--tags", w.tags, "--field", "word=C"],
  },
  {
    name: "half a file",
    code: "tag/damaged",
    mentions: ["Size.safetensors"],
    prepare: spoiled(async (tags) => {
      const file = join(tags, "Size.safetensors");
      const bytes = await readFile(file);
      await writeFile(file, bytes.subarray(0, bytes.length / 2));
    }),
  },
  {
    name: "a digit of its template changed",
    code: "tag/damaged",
    mentions: ["digest"],
    prepare: patched("The word", "The wurd"),
  },
  {
    name: "a checkpoint in its place",
    code: "tag/not-a-tag",
    mentions: ["Size.safetensors"],
    prepare: spoiled((tags) =>
      copyFile(join(defaultBase, "model.safetensors"), join(tags, "Size.safetensors")),
    ),
  },
  {
    name: "a format of the future",
    code: "tag/version",
    mentions: ["9"],
    prepare: patched('"format_version":"1"', '"format_version":"9"'),
  },
  {
    name: "another name than its file",
    code: "tag/name",
    mentions: ["Size", "Other"],
    prepare: async (folder, world) => {
      const tags = await copiedTags(folder, world);
      await rename(join(tags, "Size.safetensors"), join(tags, "Other.safetensors"));
      return ["predict", "--tag", "tags/Other.safetensors", "--field", "word=C"];
    },
  },
  {
    name: "trained on another base",
    code: "tag/wrong-base",
    mentions: ["polyglot-5m"],
    prepare: altered("Size", (t) => ({ base: { ...t.base, weights: other } })),
  },
  {
    name: "another domain tag than it was trained beside",
    code: "tag/changed",
    mentions: ["Word"],
    prepare: altered("Word", (t) => ({ vectors: t.vectors.map((v) => v + 0.5) })),
  },
  {
    name: "its domain tag is gone",
    code: "tag/missing",
    mentions: ["Word"],
    prepare: spoiled((tags) => rename(join(tags, "Word.safetensors"), join(tags, "..", "gone"))),
  },
  {
    name: "numbers that are not finite",
    code: "tag/not-finite",
    mentions: ["Size"],
    prepare: spoiled(async (tags) => {
      const file = join(tags, "Size.safetensors");
      const bytes = await readFile(file);
      bytes.writeFloatLE(Number.NaN, bytes.length - 8);
      await writeFile(file, bytes);
    }),
  },
  {
    name: "a domain tag asked for an answer",
    code: "predict/not-a-function",
    mentions: ["Word"],
    prepare: async (_f, w) => ["predict", "--tag", "Word", "--tags", w.tags, "--field", "word=C"],
  },
  {
    name: "tensors that no tag has",
    code: "tag/not-a-tag",
    mentions: ["Size.safetensors"],
    prepare: spoiled((tags) =>
      writeFile(
        join(tags, "Size.safetensors"),
        encodeSafetensors({ lora_A: { dtype: "F32", shape: [1], data: new Float32Array(1) } }),
      ),
    ),
  },
  {
    name: "renamed to a name that is taken",
    code: "tag/duplicate",
    mentions: ["Size"],
    prepare: asked("rename", "tags/Word.safetensors", "Size"),
  },
  {
    name: "renamed to what is no name",
    code: "tag/name",
    mentions: ["a/b"],
    prepare: asked("rename", "tags/Word.safetensors", "a/b"),
  },
  {
    name: "copied to where another tag has the name",
    code: "tag/duplicate",
    mentions: ["mine", "Word"],
    prepare: async (folder, world) => {
      const tags = await copiedTags(folder, world);
      const word = await loadTag(join(tags, "Word.safetensors"));
      const other = { ...word, vectors: word.vectors.map((v) => v + 0.5) };
      await saveTag(join(folder, "mine", "Word.safetensors"), other);
      return ["tags", "copy", "tags/Size.safetensors", "mine"];
    },
  },
  {
    name: "copied without the tag it needs",
    code: "tag/missing",
    mentions: ["Size", "Word"],
    prepare: async (folder, world) => {
      const tags = await copiedTags(folder, world);
      await rename(join(tags, "Word.safetensors"), join(folder, "gone"));
      return ["tags", "copy", "tags/Size.safetensors", "mine"];
    },
  },
  {
    name: "removed without a word",
    code: "usage",
    mentions: ["Size (asks for Word)", "--yes"],
    prepare: asked("rm", "tags/Word.safetensors"),
  },
  {
    name: "a checkpoint removed as a tag",
    code: "tag/not-a-tag",
    mentions: ["model.safetensors"],
    prepare: async (folder) => {
      await copyFile(join(defaultBase, "model.safetensors"), join(folder, "model.safetensors"));
      return ["tags", "rm", "model.safetensors", "--yes"];
    },
  },
  {
    name: "an adapter of another kind imported",
    code: "import/peft",
    mentions: ["PREFIX_TUNING", "keys and values"],
    prepare: imported("prefix-tuning"),
  },
  {
    name: "a pickle imported",
    code: "import/pickle",
    mentions: ["objects.npy", "can run code"],
    prepare: imported("objects.npy"),
  },
  {
    name: "vectors of another width imported",
    code: "import/shape",
    mentions: ["256 wide"],
    prepare: imported("f4-v1.npy"),
  },
  {
    name: "a function tag imported without its prompt",
    code: "import/answer",
    mentions: ["--template"],
    prepare: imported("prompt-tuning", "function"),
  },
  {
    name: "exported over a file",
    code: "tag/write",
    mentions: ["there already"],
    prepare: asked("export", "tags/Word.safetensors", "--format", "npy", "--out", "tags/Size.safetensors"),
  },
];
