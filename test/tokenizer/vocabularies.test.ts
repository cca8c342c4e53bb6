/**
 * Tokenizers of real bases on hard texts: the ids of Hugging Face's own tokenizers (test/golden/make/tokenizers.ts),
 * and whether texts come back.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readTokenizerFiles } from "../../src/tokenizer/files.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { hardTexts } from "../support/hard-texts.ts";
import { vocabularies, withVocabulary } from "../support/vocabularies.ts";

type Ids = number[] | { length: number; sha256: string };

interface Golden {
  start: Ids;
  /** Where it differs from `start`. */
  later?: Ids;
  /** Where it differs from the text. */
  decoded?: string;
}

function assertIds(found: Int32Array, expected: Ids, what: string): void {
  const shown = Array.isArray(expected)
    ? [...found]
    : { length: found.length, sha256: createHash("sha256").update(found.join(" ")).digest("hex") };
  assert.deepEqual(shown, expected, what);
}

for (const name of vocabularies) {
  test(`${name}: ids and texts of Hugging Face's tokenizers`, () =>
    withVocabulary(name, async (folder) => {
      const tokenizer = await loadTokenizer(folder);
      const { added } = await readTokenizerFiles(folder);
      const control = new Set(added.filter(({ special }) => special).map(({ id }) => id));
      const path = new URL(`../golden/tokenizers/${name}.json`, import.meta.url);
      const goldens = JSON.parse(readFileSync(path, "utf8")) as Record<string, Golden>;
      assert.deepEqual(Object.keys(goldens), Object.keys(hardTexts));
      for (const [title, golden] of Object.entries(goldens)) {
        const text = hardTexts[title] as string;
        const start = tokenizer.encode(text, { atStart: true });
        const later = tokenizer.encode(text, { atStart: false });
        assertIds(start, golden.start, `${title}, at the start`);
        assertIds(later, golden.later ?? golden.start, `${title}, later`);
        assert.equal(tokenizer.decode(start), golden.decoded ?? text, title);
        assert.ok(![...start, ...later].some((id) => control.has(id)), `${title}: control token`);
      }
    }));
}
