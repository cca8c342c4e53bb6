/**
 * Ids of real vocabularies on hard texts, by Hugging Face's tokenizers (the Rust library, as built for Node in
 * @anush008/tokenizers 0.6.0), which src/ does not use:
 *
 *   npm install --no-save @anush008/tokenizers gpt-tokenizer
 *   node --import tsx test/golden/make/tokenizers.ts
 *
 * Control tokens are taken out of its list of added tokens, so that in text they are characters; the dummy prefix is
 * taken out of the normalizer for texts that do not start a prompt. It also asks two libraries that share nothing
 * with it, for the vocabularies that they know: gpt-tokenizer (GPT-2) and llama-tokenizer-js (Llama 2).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hardTexts } from "../../support/hard-texts.ts";
import { type Vocabulary, vocabularies, withVocabulary } from "../../support/vocabularies.ts";

interface RustTokenizer {
  encode(text: string, pair: null, options: { addSpecialTokens: boolean }): Promise<{ getIds(): number[] }>;
  decode(ids: number[], skipSpecialTokens: boolean): Promise<string>;
}

const installed = async <T>(name: string): Promise<T> => (await import(name)) as T;
const { Tokenizer } = await installed<{ Tokenizer: { fromString(json: string): RustTokenizer } }>(
  "@anush008/tokenizers",
);
const gpt2 = await installed<{ encode(text: string, options: object): number[] }>(
  "gpt-tokenizer/encoding/r50k_base",
);
const llama = (
  await installed<{ default: { encode(text: string, bos: boolean, space: boolean): number[] } }>(
    "llama-tokenizer-js",
  )
).default;

type Json = Record<string, unknown>;

/** As prompts need it: control tokens are text. */
function plain(tokenizer: Json, atStart: boolean): RustTokenizer {
  const { vocab } = tokenizer.model as { vocab: Record<string, number> };
  const added = (tokenizer.added_tokens as { id: number; content: string; special: boolean }[]).flatMap(
    (token) => {
      if (!token.special) return [token];
      // Added tokens that the model lacks get their ids by counting: one that is taken away must leave its place.
      return token.content in vocab ? [] : [{ ...token, content: `\u{f0000}${token.id}\u{f0000}` }];
    },
  );
  const normalizer = tokenizer.normalizer as { normalizers?: { type: string }[] } | null;
  const later = { ...normalizer, normalizers: normalizer?.normalizers?.filter((n) => n.type !== "Prepend") };
  return Tokenizer.fromString(
    JSON.stringify({
      ...tokenizer,
      added_tokens: added,
      post_processor: null,
      normalizer: normalizer?.normalizers && !atStart ? later : normalizer,
    }),
  );
}

/** Long lists as their length and digest. */
const short = (ids: readonly number[]) =>
  ids.length <= 200
    ? ids
    : { length: ids.length, sha256: createHash("sha256").update(ids.join(" ")).digest("hex") };

const witnesses: Partial<Record<Vocabulary, (text: string) => number[]>> = {
  gpt2: (text) => gpt2.encode(text, { allowedSpecial: new Set(), disallowedSpecial: new Set() }),
  llama2: (text) => llama.encode(text, false, true),
};

for (const name of vocabularies) {
  const golden = await withVocabulary(name, async (folder) => {
    const tokenizer = JSON.parse(await readFile(join(folder, "tokenizer.json"), "utf8")) as Json;
    const [first, later] = [plain(tokenizer, true), plain(tokenizer, false)];
    const ids = (of: RustTokenizer, text: string) =>
      of.encode(text, null, { addSpecialTokens: false }).then((e) => [...e.getIds()]);
    const texts: Json = {};
    for (const [title, text] of Object.entries(hardTexts)) {
      const [start, rest] = [await ids(first, text), await ids(later, text)];
      const decoded = await first.decode(start, false);
      const witness = witnesses[name]?.(text);
      if (witness && witness.join() !== start.join()) {
        console.log(`${name}, ${title}: the second witness differs (${witness.length}, ${start.length} ids)`);
      }
      texts[title] = {
        start: short(start),
        ...(start.join() !== rest.join() && { later: short(rest) }),
        ...(decoded !== text && { decoded }),
      };
    }
    return texts;
  });
  await writeFile(new URL(`../tokenizers/${name}.json`, import.meta.url), JSON.stringify(golden));
  assert.equal(Object.keys(golden).length, Object.keys(hardTexts).length);
}

/** Ids of what chat templates write (chats.py, which runs first), control tokens in it as such. */
const chats = JSON.parse(await readFile(new URL("../chats.json", import.meta.url), "utf8")) as Record<
  string,
  { chats: Record<string, { written: unknown }> }
>;
const chatIds: Json = {};
for (const name of ["llama3", "qwen3", "gemma3"] as const) {
  chatIds[name] = await withVocabulary(name, async (folder) => {
    const tokenizer = Tokenizer.fromString(await readFile(join(folder, "tokenizer.json"), "utf8"));
    const ids: Json = {};
    for (const [title, { written }] of Object.entries(chats[name]?.chats ?? {})) {
      if (typeof written !== "string") continue;
      ids[title] = [...(await tokenizer.encode(written, null, { addSpecialTokens: false })).getIds()];
    }
    return ids;
  });
}
await writeFile(new URL("../chat-ids.json", import.meta.url), JSON.stringify(chatIds));
