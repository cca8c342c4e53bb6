/** Attacks on tokenizer.json and tokenizer_config.json, and on a tokenizer through the text and ids it is given. */

import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadTokenizer } from "../../../src/tokenizer/tokenizer.ts";
import type { HostileCase } from "./case.ts";

type Attack = Omit<HostileCase, "category">;
type Json = Record<string, unknown>;

/** A sound tokenizer of four characters and one merge; each attack damages one thing in it. */
function sound(changes: Json = {}, modelChanges: Json = {}): Json {
  return {
    version: "1.0",
    added_tokens: [{ id: 5, content: "<s>", special: true }],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: {
      type: "BPE",
      unk_token: null,
      vocab: { a: 0, b: 1, c: 2, d: 3, ab: 4 },
      merges: ["a b"],
      ...modelChanges,
    },
    ...changes,
  };
}

async function load(dir: string, tokenizer: Json | string, config?: Json | string) {
  const text = (value: Json | string) => (typeof value === "string" ? value : JSON.stringify(value));
  await writeFile(join(dir, "tokenizer.json"), text(tokenizer));
  if (config !== undefined) await writeFile(join(dir, "tokenizer_config.json"), text(config));
  return await loadTokenizer(dir);
}

const withChanges = (changes: Json) => (dir: string) => load(dir, sound(changes));
const withModel = (changes: Json) => (dir: string) => load(dir, sound({}, changes));
const withConfig = (config: Json | string) => (dir: string) => load(dir, sound(), config);

const files: Attack[] = [
  {
    name: "no tokenizer.json",
    code: "tokenizer/missing",
    mentions: ["tokenizer.json"],
    run: (dir) => loadTokenizer(dir),
  },
  {
    name: "a folder that does not exist",
    code: "tokenizer/missing",
    mentions: ["no-such-model"],
    run: (dir) => loadTokenizer(join(dir, "no-such-model")),
  },
  {
    name: "a tokenizer.json that is no JSON",
    code: "tokenizer/invalid",
    mentions: ["tokenizer.json", "JSON"],
    run: (dir) => load(dir, "BPE 4096\n"),
  },
  {
    name: "a tokenizer.json that is a list",
    code: "tokenizer/invalid",
    mentions: ["tokenizer.json", "object"],
    run: (dir) => load(dir, "[1,2]"),
  },
  {
    name: "a tokenizer.json of 101 MB of nothing",
    code: "tokenizer/invalid",
    mentions: ["tokenizer.json", "101000000"],
    run: async (dir) => {
      await writeFile(join(dir, "tokenizer.json"), "{");
      await truncate(join(dir, "tokenizer.json"), 101_000_000);
      return await loadTokenizer(dir);
    },
  },
  {
    name: "a tokenizer.json of five million empty lists",
    code: "tokenizer/invalid",
    mentions: ["tokenizer.json", "4000000"],
    run: (dir) => load(dir, `{"model":[${"[],".repeat(5_000_000)}[]]}`),
  },
  {
    name: "a tokenizer.json whose steps nest a hundred thousand deep",
    code: "tokenizer/invalid",
    mentions: ["tokenizer.json"],
    run: (dir) => {
      const depth = 100_000;
      const nested = '{"type":"Sequence","normalizers":['.repeat(depth) + "]}".repeat(depth);
      return load(dir, JSON.stringify(sound()).replace('"normalizer":null', `"normalizer":${nested}`));
    },
  },
  {
    name: "no model",
    code: "tokenizer/invalid",
    mentions: ['"model"', "missing"],
    run: withChanges({ model: undefined }),
  },
  {
    name: "a model of an unknown type",
    code: "tokenizer/invalid",
    mentions: ["Tiktoken", "BPE"],
    run: withModel({ type: "Tiktoken" }),
  },
  {
    name: "a vocabulary that is text",
    code: "tokenizer/invalid",
    mentions: ['"vocab"', "abc"],
    run: withModel({ vocab: "abc" }),
  },
  {
    name: "an empty vocabulary",
    code: "tokenizer/invalid",
    mentions: ['"vocab"'],
    run: withModel({ vocab: {}, merges: [] }),
  },
  {
    name: "a negative id",
    code: "tokenizer/invalid",
    mentions: ['"b"', "-1"],
    run: withModel({ vocab: { a: 0, b: -1, ab: 2 } }),
  },
  {
    name: "an id of a million million",
    code: "tokenizer/invalid",
    mentions: ['"b"', "1000000000000"],
    run: withModel({ vocab: { a: 0, b: 1e12, ab: 2 } }),
  },
  {
    name: "two tokens with one id",
    code: "tokenizer/invalid",
    mentions: ['"a"', '"b"', "id 0"],
    run: withModel({ vocab: { a: 0, b: 0, ab: 2 } }),
  },
  {
    name: "a merge that makes no token",
    code: "tokenizer/invalid",
    mentions: ["merge 1", '"cd"'],
    run: withModel({ merges: ["a b", "c d"] }),
  },
  {
    name: "a merge of three parts",
    code: "tokenizer/invalid",
    mentions: ["merge 0", "a b c"],
    run: withModel({ merges: ["a b c"] }),
  },
  {
    name: "merges that are a number",
    code: "tokenizer/invalid",
    mentions: ['"merges"', "7"],
    run: withModel({ merges: 7 }),
  },
  {
    name: "an added token without text",
    code: "tokenizer/invalid",
    mentions: ["added token 0", '"content":""'],
    run: withChanges({ added_tokens: [{ id: 5, content: "" }] }),
  },
  {
    name: "a Unigram model without its unknown piece",
    code: "tokenizer/invalid",
    mentions: ['"unk_id"', "9"],
    run: withModel({ type: "Unigram", vocab: [["a", -1]], unk_id: 9 }),
  },
  {
    name: "a normalizer that does not exist",
    code: "tokenizer/invalid",
    mentions: ["tokenizer.json", "Lowercaser"],
    run: withChanges({ normalizer: { type: "Lowercaser" } }),
  },
  {
    name: "a pre-tokenizer that would never end",
    code: "tokenizer/invalid",
    mentions: ["FixedLength", "0"],
    run: withChanges({ pre_tokenizer: { type: "FixedLength", length: 0 } }),
  },
  {
    name: "a split without a pattern",
    code: "tokenizer/invalid",
    mentions: ["Split", "pattern"],
    run: withChanges({
      pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Split", behavior: "Isolated" }] },
    }),
  },
  {
    name: "a pattern that is no regular expression",
    code: "tokenizer/invalid",
    mentions: ["tokenizer.json", "regular expression"],
    run: withChanges({ pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" } }),
  },
  {
    name: "a prefix that is an object",
    code: "tokenizer/invalid",
    mentions: ["normalizer", "prepend", "{}"],
    run: withChanges({ normalizer: { type: "Prepend", prepend: {} } }),
  },
  {
    name: "a decoder that cannot decode",
    code: "tokenizer/invalid",
    mentions: ["tokenizer.json"],
    run: withChanges({ decoder: { type: "Sequence", decoders: [{ type: "Unscramble" }] } }),
  },
  {
    name: "a tokenizer_config.json that is no JSON",
    code: "tokenizer/invalid",
    mentions: ["tokenizer_config.json"],
    run: withConfig("{'bos_token': None}"),
  },
  {
    name: "a BOS token that is a number",
    code: "tokenizer/invalid",
    mentions: ["tokenizer_config.json", '"bos_token"', "1"],
    run: withConfig({ bos_token: 1 }),
  },
  {
    name: "an EOS token that is not in the vocabulary",
    code: "tokenizer/invalid",
    mentions: ['"eos_token"', "<|end|>"],
    run: withConfig({ eos_token: { content: "<|end|>" } }),
  },
];

const uses: Attack[] = [
  {
    name: "text that no token can hold",
    code: "tokenizer/unknown-text",
    mentions: ['"é"', "U+00E9", "abé"],
    run: async (dir) => (await load(dir, sound())).encode("abé", { atStart: true }),
  },
  {
    name: "a control token where only its letters could stand for it",
    code: "tokenizer/unknown-text",
    mentions: ['"<"', "<s>"],
    run: async (dir) => (await load(dir, sound())).encode("a<s>b", { atStart: true }),
  },
  {
    name: "an id beyond the vocabulary",
    code: "tokenizer/id",
    mentions: ["4096", "5"],
    run: async (dir) => (await load(dir, sound())).decode([0, 4096]),
  },
  {
    name: "a negative id",
    code: "tokenizer/id",
    mentions: ["-1"],
    run: async (dir) => (await load(dir, sound())).tokenText(-1),
  },
];

export const tokenizerCases: HostileCase[] = [
  ...files.map((attack) => ({ category: "tokenizer files", ...attack })),
  ...uses.map((attack) => ({ category: "text and ids", ...attack })),
];
