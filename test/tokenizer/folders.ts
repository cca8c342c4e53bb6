/** Small tokenizers of each kind, written out by hand, for tests whose expected ids can be read off the vocabulary. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadTokenizer, type TextTokenizer, type TokenizerBase } from "../../src/tokenizer/tokenizer.ts";

type Json = Record<string, unknown>;

/** Loads a tokenizer from a folder that holds just these two files. */
export async function tokenizerFrom(
  tokenizer: Json,
  config?: Json,
  base?: TokenizerBase,
): Promise<TextTokenizer> {
  const dir = await mkdtemp(join(tmpdir(), "tagllm-tokenizer-"));
  try {
    await writeFile(join(dir, "tokenizer.json"), JSON.stringify(tokenizer));
    if (config !== undefined) await writeFile(join(dir, "tokenizer_config.json"), JSON.stringify(config));
    return await loadTokenizer(dir, base);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const special = (id: number, content: string) => ({ id, content, special: true, normalized: false });

/** Ids in the order of `tokens`. */
export const vocabulary = (...tokens: string[]): Json =>
  Object.fromEntries(tokens.map((token, id) => [token, id]));

/** As Llama 2 writes it: Prepend and Replace to "▁", merges up to whole words, bytes for what is missing. */
export const sentencePiece: Json = {
  added_tokens: [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }],
  },
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "▁" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
  model: {
    type: "BPE",
    unk_token: "<unk>",
    byte_fallback: true,
    vocab: vocabulary(
      "<unk>",
      "<s>",
      "</s>",
      "<0xCE>",
      "<0xB1>",
      "▁",
      "a",
      "b",
      "ab",
      "▁ab",
      "<",
      "s",
      ">",
      "/",
      "</",
      "</s",
    ),
    merges: ["a b", "▁ ab", "< /", "</ s", "</s >"],
  },
};

/** As a SMILES model of whole words writes it, with nothing to cut a text into words and no unknown token. */
export const wordLevel: Json = {
  added_tokens: [special(0, "<BOS>"), special(1, "<EOS>")],
  pre_tokenizer: { type: "Sequence", pretokenizers: [] },
  post_processor: {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<BOS>" } }, { Sequence: { id: "A" } }, { SpecialToken: { id: "<EOS>" } }],
  },
  decoder: { type: "Sequence", decoders: [] },
  model: {
    type: "WordLevel",
    unk_token: "<unk>",
    vocab: vocabulary("<BOS>", "<EOS>", "C", "Cl", "[C@@H]", "(", ")", "<", "B", "O", "S", ">", "l"),
  },
};

/** As XLNet-like models write it: pieces with scores, a Metaspace step, old style. */
export const unigram: Json = {
  added_tokens: [special(0, "<unk>"), special(1, "</s>")],
  pre_tokenizer: { type: "Metaspace", replacement: "▁", add_prefix_space: true },
  decoder: { type: "Metaspace", replacement: "▁", add_prefix_space: true },
  model: {
    type: "Unigram",
    unk_id: 0,
    vocab: [
      ["<unk>", 0],
      ["</s>", 0],
      ["▁", -2],
      ["a", -3],
      ["▁a", -2.5],
      ["<", -4],
      ["/", -4],
      ["s", -4],
      [">", -4],
    ],
  },
};
