/** Tokens beyond the embedding: Gemma 3's files for text have one of images, which no row belongs to. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";

interface Entry {
  id: number;
  content: string;
}
interface TokenizerJson {
  added_tokens: Entry[];
  model: { vocab: Record<string, number> };
}

let folder: string;
let original: TokenizerJson;
let rows: number;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "rowless-"));
  for (const name of ["config.json", "model.safetensors", "tokenizer_config.json"])
    await symlink(resolve(defaultBase, name), join(folder, name));
  original = JSON.parse(await readFile(join(defaultBase, "tokenizer.json"), "utf8")) as TokenizerJson;
  const config = JSON.parse(await readFile(join(defaultBase, "config.json"), "utf8")) as {
    vocab_size: number;
  };
  rows = config.vocab_size;
});
after(() => rm(folder, { recursive: true }));

async function load(change: (tokenizer: TokenizerJson) => void): Promise<Base> {
  const tokenizer = structuredClone(original);
  change(tokenizer);
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  return Base.load(folder);
}

test("an added token without a row keeps no base from loading, and is refused where a text has it", async () => {
  const image = { id: rows, content: "<image_soft_token>", special: false, normalized: false };
  const base = await load((t) => t.added_tokens.push(image));
  try {
    const { tokenizer } = base;
    assert.ok(tokenizer.vocabSize <= rows);
    assert.ok(tokenizer.encode("And God said", { atStart: true }).length > 0);
    for (const encode of [tokenizer.encode, tokenizer.encodeMarkup])
      assert.throws(() => encode.call(tokenizer, "see <image_soft_token>", { atStart: true }), {
        code: "tokenizer/unknown-text",
        message: new RegExp(`image_soft_token.*${rows}`),
      });
  } finally {
    await base.close();
  }
});

test("a vocabulary that is larger than the embedding is refused", async () => {
  await assert.rejects(
    load((t) => {
      t.model.vocab.zzzz = rows;
    }),
    { code: "model/config", message: new RegExp(`${rows + 1} tokens, the model only ${rows}`) },
  );
});
