/** Tag files that cannot be used as asked. */
import { copyFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
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
];
