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

/** Whether there was enough; nothing is spent where there was not. */
function spend(budget: Budget, work: number): boolean {
  if (work > budget.left) return false;
  budget.left -= work;
  return true;
}

export interface NearText {
  /** Index into the texts. */
  readonly index: number;
  /** 1 - edits over the length of the longer text. */
  readonly similarity: number;
}

/** Edits that two texts may be apart, by the length of the longer. */
const edits = (longer: number): number => Math.floor(longer / 10);

/** As many pieces as no near text, which may be longer, can change all of. */
const pieceCount = (length: number): number => edits(Math.floor((length * 10) / 9)) + 1;

/**
 * Entries of an index: the pieces of every text, and as many again for every length. One takes some 160 bytes of
 * memory and stands for up to nine characters.
 */
const mostEntries = 3e6;

interface Piece {
  readonly start: number;
  readonly size: number;
  /** Indices of the texts that have it, by what it is. */
  readonly texts: Map<string, number[]>;
}

export class NearTexts {
  private readonly texts: readonly string[];
  private readonly byLength = new Map<number, Piece[]>();
  /** The index has no texts of this length or longer; it has all shorter ones. */
  private end = Number.MAX_SAFE_INTEGER;

  constructor(texts: readonly string[]) {
    this.texts = texts;
    let room = mostEntries;
    for (const [length, own] of indicesByLength(texts)) {
      room -= pieceCount(length) * (own.length + 1);
      if (room < 0) {
        this.end = length;
        return;
      }
      this.byLength.set(length, piecesOf(texts, length, own));
    }
  }

  /** Some text that is near; null where there is none; undefined where the budget or the index do not reach. */
  find(text: string, budget: Budget): NearText | null | undefined {
    if (this.end - text.length <= edits(this.end)) return undefined;
    const tried = new Set<number>();
    for (const [length, pieces] of this.byLength) {
      const longer = Math.max(length, text.length);
      const most = edits(longer);
      const shift = text.length - length;
      const slack = Math.floor((most - Math.abs(shift)) / 2);
      if (slack < 0) continue;
      const [from, to] = [Math.min(0, shift) - slack, Math.max(0, shift) + slack];
      for (const { start, size, texts } of pieces) {
        const last = Math.min(to + start, text.length - size);
        for (let at = Math.max(0, from + start); at <= last; at++) {
          const found = texts.get(text.substring(at, at + size)) ?? [];
          if (!spend(budget, 4 + found.length)) return undefined;
          for (const index of found) {
            if (tried.has(index)) continue;
            tried.add(index);
            if (!spend(budget, length * (2 * most + 1))) return undefined;
            const distance = boundedDistance(text, this.texts[index] as string, most);
            if (distance <= most) return { index, similarity: longer === 0 ? 1 : 1 - distance / longer };
          }
        }
      }
    }
    return null;
  }
}

/** The shortest first. */
function indicesByLength(texts: readonly string[]): [number, number[]][] {
  const indices = new Map<number, number[]>();
  texts.forEach(({ length }, index) => {
    const same = indices.get(length);
    if (same) same.push(index);
    else indices.set(length, [index]);
  });
  return [...indices].sort(([a], [b]) => a - b);
}

/** @param own indices of the texts of this length */
function piecesOf(texts: readonly string[], length: number, own: readonly number[]): Piece[] {
  const count = pieceCount(length);
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor((i * length) / count);
    const end = Math.floor(((i + 1) * length) / count);
    const having = new Map<string, number[]>();
    for (const index of own) {
      const piece = (texts[index] as string).substring(start, end);
      const same = having.get(piece);
      if (same) same.push(index);
      else having.set(piece, [index]);
    }
    return { start, size: end - start, texts: having };
  });
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
