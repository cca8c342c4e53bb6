/** BLEU and chrF against numbers of sacreBLEU: published ones, and those of translation.py on texts of ours. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bleuCounts, bleuOfRows, sentenceBleu } from "../../src/evaluate/bleu.ts";
import { chrfCounts, chrfOfRows } from "../../src/evaluate/chrf.ts";
import { answersOfRows } from "../../src/evaluate/of-rows.ts";
import fc from "../support/properties.ts";

interface Goldens {
  published: {
    what: "bleu" | "sentenceBleu" | "chrf";
    answers: string[];
    truths: string[];
    score: number;
    tolerance: number;
    source: string;
  }[];
  corpora: Record<
    string,
    {
      answers: string[];
      truths: string[];
      bleu: number;
      chrf: number;
      sentenceBleu: number[];
      sentenceChrf: number[];
    }
  >;
}

const { published, corpora } = JSON.parse(
  readFileSync(new URL("translation.json", import.meta.url), "utf8"),
) as Goldens;

const all = (texts: readonly string[]): Int32Array => Int32Array.from(texts.keys());
const bleu = (said: string[], truth: string[]) => bleuOfRows(bleuCounts(said, truth), all(said));
const chrf = (said: string[], truth: string[]) => chrfOfRows(chrfCounts(said, truth), all(said));

for (const { what, answers, truths, score, tolerance, source } of published) {
  test(`${what} ${score} of ${source}: ${answers[0]?.slice(0, 30)}`, () => {
    const found = { bleu, chrf, sentenceBleu: () => sentenceBleu(answers[0]!, truths[0]!) }[what];
    assert.ok(Math.abs(found(answers, truths) - score) < tolerance, `${found(answers, truths)}`);
  });
}

for (const [name, golden] of Object.entries(corpora)) {
  test(`sacreBLEU's numbers: ${name}`, () => {
    const { answers, truths } = golden;
    const close = (found: number, expected: number, what: string) =>
      assert.ok(Math.abs(found - expected) < 1e-9, `${what}: ${found}, not ${expected}`);
    close(bleu(answers, truths), golden.bleu, "BLEU");
    close(chrf(answers, truths), golden.chrf, "chrF");
    answers.forEach((said, i) => {
      close(sentenceBleu(said, truths[i]!), golden.sentenceBleu[i]!, `BLEU of ${said}`);
      close(chrf([said], [truths[i]!]), golden.sentenceChrf[i]!, `chrF of ${said}`);
    });
  });
}

test("a resample has the scores of a corpus of those rows, and exact matches are counted as they are drawn", () => {
  const { answers, truths } = corpora.all!;
  const metrics = answersOfRows(truths, answers);
  fc.assert(
    fc.property(fc.array(fc.nat(answers.length - 1), { minLength: 1, maxLength: 40 }), (rows) => {
      const [said, truth] = [rows.map((i) => answers[i]!), rows.map((i) => truths[i]!)];
      assert.deepEqual(metrics(Int32Array.from(rows)), {
        exactMatch: rows.filter((i) => answers[i] === truths[i]).length / rows.length,
        bleu: bleu(said, truth),
        chrf: chrf(said, truth),
      });
    }),
  );
});
