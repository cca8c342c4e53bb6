/**
 * Which of many texts is nearly a given one: at most one character in ten inserted, deleted or replaced.
 * No such text is missed and none is taken for one: where two texts differ in k places, one of any k + 1 pieces
 * of the one stands unchanged in the other (Li, Deng, Wang and Feng 2011, Pass-Join), so only texts that share a
 * piece at about the same place are compared.
 */

/** What may be spent; a search that would go beyond it gives up. */
export interface Budget {
  left: number;
}

export interface NearText {
  /** Index into the texts. */
  readonly index: number;
  /** 1 - edits over the length of the longer text. */
  readonly similarity: number;
}

/** Edits that two texts may be apart, by the length of the longer. */
const edits = (longer: number): number => Math.floor(longer / 10);

export class NearTexts {
  private readonly texts: readonly string[];
  /** By length: for every piece where it starts and which texts have which. */
  private readonly byLength = new Map<
    number,
    { start: number; size: number; texts: Map<string, number[]> }[]
  >();

  constructor(texts: readonly string[]) {
    this.texts = texts;
    texts.forEach((text, index) => {
      for (const piece of this.piecesOf(text.length)) {
        const key = text.substring(piece.start, piece.start + piece.size);
        const same = piece.texts.get(key);
        if (same) same.push(index);
        else piece.texts.set(key, [index]);
      }
    });
  }

  /** Some text that is near; null where there is none; undefined where the budget does not last. */
  find(text: string, budget: Budget): NearText | null | undefined {
    const tried = new Set<number>();
    for (const [length, pieces] of this.byLength) {
      const longer = Math.max(length, text.length);
      const most = edits(longer);
      const shift = text.length - length;
      const slack = Math.floor((most - Math.abs(shift)) / 2);
      if (slack < 0) continue;
      const [from, to] = [Math.min(0, shift) - slack, Math.max(0, shift) + slack];
      for (const { start, size, texts } of pieces) {
        budget.left -= 4 * (to - from + 1);
        const last = Math.min(to + start, text.length - size);
        for (let at = Math.max(0, from + start); at <= last; at++) {
          for (const index of texts.get(text.substring(at, at + size)) ?? []) {
            if (tried.has(index)) continue;
            tried.add(index);
            budget.left -= length * (2 * most + 1);
            const distance = boundedDistance(text, this.texts[index] as string, most);
            if (distance <= most) return { index, similarity: longer === 0 ? 1 : 1 - distance / longer };
            if (budget.left < 0) return undefined;
          }
        }
      }
      if (budget.left < 0) return undefined;
    }
    return null;
  }

  /** As many as no near text, which may be longer, can change all of. */
  private piecesOf(length: number) {
    const known = this.byLength.get(length);
    if (known) return known;
    const count = edits(Math.floor((length * 10) / 9)) + 1;
    const pieces = Array.from({ length: count }, (_, i) => {
      const start = Math.floor((i * length) / count);
      const end = Math.floor(((i + 1) * length) / count);
      return { start, size: end - start, texts: new Map<string, number[]>() };
    });
    this.byLength.set(length, pieces);
    return pieces;
  }
}

/** Levenshtein distance of code units where it is at most `most`, else `most + 1`. */
export function boundedDistance(a: string, b: string, most: number): number {
  const over = most + 1;
  if (Math.abs(a.length - b.length) > most) return over;
  let before = Int32Array.from({ length: b.length + 1 }, (_, j) => Math.min(j, over));
  let row = new Int32Array(b.length + 1);
  for (let i = 1; i <= a.length; i++) {
    const [from, to] = [Math.max(1, i - most), Math.min(b.length, i + most)];
    row[from - 1] = from === 1 ? Math.min(i, over) : over;
    let least = row[from - 1] as number;
    for (let j = from; j <= to; j++) {
      const same = a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1;
      const above = j === i + most ? over : (before[j] as number);
      const cost = Math.min(above + 1, (row[j - 1] as number) + 1, (before[j - 1] as number) + same, over);
      row[j] = cost;
      if (cost < least) least = cost;
    }
    if (least > most) return over;
    [before, row] = [row, before];
  }
  return before[b.length] as number;
}
