/** Random prompts over a tiny vocabulary: text, spans of domain tags, a function tag, target tokens. */
import type { Query } from "../../src/batch/layout.ts";
import type { Span } from "../../src/prompts/prompt.ts";
import type { Random } from "./random.ts";

/** Lengths of the tags that the prompts use. */
export const tagLengths = { A: 2, B: 3, F: 2 } as const;

export function randomVectors(random: Random, width: number): Map<string, Float32Array> {
  return new Map(Object.entries(tagLengths).map(([tag, length]) => [tag, random.floats(length * width)]));
}

/** @param cutAtFunction everything before the function tag is constant */
export function randomQuery(
  random: Random,
  vocabSize: number,
  isolate: boolean,
  cutAtFunction: boolean,
): Query {
  const ids: number[] = [];
  const slots: { tag: string; position: number }[] = [];
  const spans: Span[] = [];
  const text = (from: number, to: number) => {
    for (let n = random.int(from, to); n > 0; n--) ids.push(random.int(0, vocabSize - 1));
  };
  const place = (tag: keyof typeof tagLengths) => {
    slots.push({ tag, position: ids.length });
    ids.push(...new Array<number>(tagLengths[tag]).fill(-1));
  };
  text(0, 4);
  for (let n = random.int(0, 3); n > 0; n--) {
    const [tag, start] = [random.pick(["A", "B"] as const), ids.length];
    place(tag);
    text(1, 6);
    spans.push({ tag, field: "data", start, end: ids.length, isolate: random.chance(0.8) });
    text(0, 3);
  }
  const cut = ids.length;
  place("F");
  const asked = ids.length;
  text(1, 3);
  const prompt = {
    ids: Int32Array.from(ids),
    slots,
    spans,
    pieces: [],
    readout: asked - 1,
    target: { start: asked, end: ids.length },
    trimmed: [],
  };
  return { prompt, isolate, cut: cutAtFunction ? cut : 0 };
}

/** Prompts that ask about one long span, each with text and a short span of its own. */
export function queriesAboutOne(random: Random, vocabSize: number, count: number): Query[] {
  const text = (length: number) => Array.from({ length }, () => random.int(0, vocabSize - 1));
  const slotOf = (tag: keyof typeof tagLengths) => new Array<number>(tagLengths[tag]).fill(-1);
  const common = [...slotOf("A"), ...text(9)];
  return Array.from({ length: count }, () => {
    const before = text(random.int(0, 3));
    const own = [...slotOf("B"), ...text(random.int(3, 6))];
    const [a, b] = [before.length, before.length + common.length];
    const cut = b + own.length;
    const ids = [...before, ...common, ...own, ...slotOf("F"), ...text(2)];
    const asked = cut + tagLengths.F;
    const prompt = {
      ids: Int32Array.from(ids),
      slots: [
        { tag: "A", position: a },
        { tag: "B", position: b },
        { tag: "F", position: cut },
      ],
      spans: [
        { tag: "A", field: "data", start: a, end: b, isolate: true },
        { tag: "B", field: "data", start: b, end: cut, isolate: true },
      ],
      pieces: [],
      readout: asked - 1,
      target: { start: asked, end: ids.length },
      trimmed: [],
    };
    return { prompt, isolate: true, cut };
  });
}

/** Tokens and nothing else. */
export const textQuery = (ids: Int32Array): Query => ({
  prompt: { ids, slots: [], spans: [], pieces: [], readout: ids.length - 1, target: null, trimmed: [] },
  isolate: false,
  cut: 0,
});
