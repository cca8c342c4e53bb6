/**
 * Chats for bases that put a dummy prefix before every section of a text, and for one that does not: the ids are those
 * of Hugging Face's tokenizers for the whole text (@anush008/tokenizers 0.6.0, as in test/golden/make/tokenizers.ts).
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bindTemplate, type TagSpec } from "../../src/prompts/bind.ts";
import { chatBos, readTemplate } from "../../src/prompts/chat.ts";
import { compilePrompt } from "../../src/prompts/prompt.ts";
import type { Message } from "../../src/prompts/template.ts";
import { loadTokenizer, type TextTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { type Vocabulary, withVocabulary } from "../support/vocabularies.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sections-"));
});
after(() => rm(folder, { recursive: true }));

type Json = Record<string, unknown>;

/** The vocabulary with a chat template, and with the tokens of roles: what is said of these and of the steps. */
async function base(
  name: Vocabulary,
  chat_template: string,
  roles: Json = {},
  steps: Json = {},
): Promise<TextTokenizer> {
  const json = await withVocabulary(name, (at) => readFile(join(at, "tokenizer.json"), "utf8"));
  const tokenizer = JSON.parse(json) as { added_tokens: Json[] };
  const added = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"].map((content, i) => {
    const token = { id: 32000 + i, content, lstrip: false, rstrip: false, normalized: false, special: true };
    return { ...token, ...roles };
  });
  const added_tokens = [...tokenizer.added_tokens, ...added];
  const config = { bos_token: "<s>", eos_token: "</s>", chat_template };
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify({ ...tokenizer, added_tokens, ...steps }));
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  return loadTokenizer(folder);
}

const tags = new Map<string, TagSpec>([
  ["Name", { name: "Name", kind: "domain", length: 2, splitCharacters: true, isolate: true }],
  ["None", { name: "None", kind: "domain", length: 0, splitCharacters: true, isolate: true }],
]);

function ids(tokenizer: TextTokenizer, messages: readonly Message[], row: Record<string, string> = {}) {
  const template = readTemplate(messages, tokenizer);
  const prompt = compilePrompt(bindTemplate(template, { tags, fields: Object.keys(row) }), row, {
    tokenizer,
    maxTokens: 4096,
    bos: chatBos(template, tokenizer) as boolean,
    withTarget: false,
    eosAfterTarget: true,
  });
  return [...prompt.ids];
}

const question: Message[] = [{ role: "user", content: "Who wrote it?" }];
const turns: Message[] = [
  { role: "system", content: "Be kind." },
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello!" },
  { role: "user", content: "Bye" },
];

const inst = `{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set messages = messages[1:] %}{% endif %}{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' }}{% if loop.first and system %}{{ '<<SYS>>\n' + system + '\n<</SYS>>\n\n' }}{% endif %}{{ m.content + ' [/INST]' }}{% else %}{{ ' ' + m.content + ' ' + eos_token }}{% endif %}{% endfor %}`;
const lines = `{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}{{ '<|assistant|>\n' if add_generation_prompt }}`;
const tight = `{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + eos_token }}{% endfor %}{{ '<|assistant|>' if add_generation_prompt }}`;
const blank = `{% for m in messages %}{{ '<|' + m.role + '|> ' + m.content }}{% endfor %}`;

const metaspace = (prepend_scheme: string): Json => ({
  normalizer: null,
  pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme, split: false },
});

test("[INST] of Mistral 7B and of Llama 2", async () => {
  const mistral = await base("mistral", inst);
  assert.deepEqual(
    ids(mistral, question),
    [1, 733, 16289, 28793, 6526, 4677, 378, 28804, 733, 28748, 16289, 28793],
  );
  // biome-ignore format: as a list
  assert.deepEqual(ids(mistral, turns), [
    1, 733, 16289, 28793, 2087, 18741, 4060, 13, 3574, 2112, 28723, 13, 28789, 700, 18741, 4060, 13, 13, 23809, 733,
    28748, 16289, 28793, 22557, 28808, 28705, 2, 1, 733, 16289, 28793, 2463, 28706, 733, 28748, 16289, 28793,
  ]);
  const llama2 = await base("llama2", inst);
  assert.deepEqual(
    ids(llama2, question),
    [1, 518, 25580, 29962, 11644, 5456, 372, 29973, 518, 29914, 25580, 29962],
  );
  // biome-ignore format: as a list
  assert.deepEqual(ids(llama2, turns), [
    1, 518, 25580, 29962, 3532, 14816, 29903, 6778, 13, 3629, 2924, 29889, 13, 29966, 829, 14816, 29903, 6778, 13, 13,
    18567, 518, 29914, 25580, 29962, 15043, 29991, 29871, 2, 1, 518, 25580, 29962, 2648, 29872, 518, 29914, 25580, 29962,
  ]);
});

test("contents after tokens of roles that take the line break after them, as Phi-3 has them", async () => {
  const phi3 = await base("mistral", lines, { rstrip: true });
  assert.deepEqual(ids(phi3, question), [1, 32001, 6526, 4677, 378, 28804, 32003, 32002]);
  // biome-ignore format: as a list
  assert.deepEqual(ids(phi3, turns), [
    1, 32000, 1739, 2112, 28723, 32003, 32001, 15359, 32003, 32002, 22557, 28808, 32003, 32001, 2463, 28706, 32003,
    32002,
  ]);
});

test("contents directly after tokens of roles, control tokens or not", async () => {
  // biome-ignore format: as a list
  const again = [32000, 1739, 2112, 28723, 2, 32001, 15359, 2, 32002, 22557, 28808, 2, 32001, 2463, 28706, 2, 32002];
  // biome-ignore format: as a list
  const once = [32000, 3574, 2112, 28723, 2, 32001, 23809, 2, 32002, 16230, 28808, 2, 32001, 1930, 28706, 2, 32002];
  for (const special of [true, false]) {
    assert.deepEqual(ids(await base("mistral", tight, { special }), turns), again);
    assert.deepEqual(ids(await base("mistral", tight, { special }, metaspace("always")), turns), again);
    assert.deepEqual(ids(await base("mistral", tight, { special }, metaspace("first")), turns), once);
  }
});

test("fields are as literals; behind the vectors of a tag nothing comes directly after a control token", async () => {
  const tokenizer = await base("mistral", tight);
  const end = [2, 32002];
  const asked = (content: string, row: Record<string, string>) =>
    ids(tokenizer, [{ role: "user", content }], row);
  assert.deepEqual(asked("{a}{b}", { a: "Hi", b: "Hi" }), [32001, 15359, 23809, ...end]);
  assert.deepEqual(asked("<Name>{a}", { a: "Hi" }), [32001, -1, -1, 28769, 28710, ...end]);
  assert.deepEqual(asked("<None>{a}", { a: "Hi" }), [32001, 382, 28710, ...end]);
});

test("blanks before a content go to the token that takes them", async () => {
  const taken = await base("mistral", blank, { rstrip: true });
  assert.deepEqual(ids(taken, question), [32001, 6526, 4677, 378, 28804]);
  assert.deepEqual(ids(taken, [{ role: "user", content: "{a}" }], { a: "Hi" }), [32001, 15359]);
  const kept = await base("mistral", blank);
  assert.deepEqual(ids(kept, question), [32001, 28705, 6526, 4677, 378, 28804]);
});
