/**
 * Which layouts run together. Prompts that run whole are packed: several stand one after the other in a row and
 * see only themselves. Layouts with stored blocks have a row each, beside others of like lengths.
 */
import type { Architecture } from "../models/architecture.ts";
import type { Layout } from "./layout.ts";
import { fullRows, partRows, roundLength, roundPast } from "./sizes.ts";

/** One run of a program. */
export interface Group {
  /** Indices of the layouts of each row. */
  readonly rows: readonly (readonly number[])[];
  /** Rows of the program; those beyond `rows` are empty. */
  readonly batch: number;
  /** Fresh positions of a row of the program. */
  readonly length: number;
}

const freshOf = (layout: Layout | undefined): number => (layout as Layout).fresh.length;
const alone = (indices: readonly number[]): number[][] => indices.map((i) => [i]);

/** What the block of a layout is called. */
type NameOf = (layout: Layout, block: number) => string;

/**
 * Rows of one position on stored blocks of one run: the token budget allows hundreds, and rows that share a block would
 * never fill a run by themselves.
 */
const MOST_OF_ONE = 64;

/**
 * A row for each layout: like lengths and the same number of past blocks, as many as the token budget allows. Rows
 * that have their largest block in common stand together, and by themselves where they are enough for half a run.
 */
export function groupAlone(
  layouts: readonly Layout[],
  tokens: number,
  nameOf: NameOf,
  among: readonly number[] = [...layouts.keys()],
): Group[] {
  const kinds = new Map(among.map((i) => [i, kindOf(layouts[i] as Layout, nameOf)]));
  const kind = (i: number | undefined) => kinds.get(i as number) as RowKind;
  const order = [...among].sort((a, b) => compareKinds(kind(a), kind(b)) || a - b);
  const fullAt = (at: number) => {
    const { length, blocks } = kind(order[at]);
    const full = fullRows(length, tokens, order.length);
    return length === 1 && blocks > 0 ? Math.min(full, MOST_OF_ONE) : full;
  };
  const alike = (a: number, b: number) => sameKind(kind(order[a]), kind(order[b]));
  const runEnd = (from: number) => {
    let end = from + 1;
    while (end < order.length && alike(from, end)) end++;
    return end;
  };
  const groups: Group[] = [];
  for (let begin = 0; begin < order.length; ) {
    const { blocks } = kind(order[begin]);
    const enough = (from: number) => runEnd(from) - from >= Math.max(2, fullAt(from) / 2);
    const own = enough(begin) ? runEnd(begin) : order.length;
    let end = begin + 1;
    while (end < own && kind(order[end]).blocks === blocks && end - begin < fullAt(end)) {
      if (!alike(end - 1, end) && enough(end)) break;
      end++;
    }
    const indices = order.slice(begin, end);
    groups.push({
      rows: alone(indices),
      batch: partRows(indices.length, fullAt(end - 1)),
      length: kind(indices.at(-1)).length,
    });
    begin = end;
  }
  return groups;
}

/** What decides which rows run together. */
interface RowKind {
  /** Stored blocks. */
  readonly blocks: number;
  /** Of the row, rounded. */
  readonly length: number;
  /** Positions and name of the largest stored block. */
  readonly size: number;
  readonly name: string;
  readonly total: number;
}

function kindOf(layout: Layout, nameOf: NameOf): RowKind {
  const sizes = layout.past.map((b) => b.positions.length);
  const largest = sizes.indexOf(Math.max(...sizes));
  return {
    blocks: sizes.length,
    length: roundLength(freshOf(layout)),
    size: sizes[largest] ?? 0,
    name: largest < 0 ? "" : nameOf(layout, largest),
    total: layout.query.prompt.ids.length,
  };
}

const compareKinds = (a: RowKind, b: RowKind): number =>
  a.blocks - b.blocks ||
  a.length - b.length ||
  a.size - b.size ||
  (a.name < b.name ? -1 : a.name > b.name ? 1 : a.total - b.total);

const sameKind = (a: RowKind, b: RowKind): boolean =>
  a.blocks > 0 && a.blocks === b.blocks && a.length === b.length && a.name === b.name;

/** Rows on stored blocks of a program whose shape is fixed: each may need a copy of its own of those blocks. */
const MOST_ON_STORED = 16;

/**
 * Layouts of exactly one shape each, in programs of always the same number of rows. Rows that have their largest
 * block in common stand by themselves where they fill half a program, and follow each other whatever their shapes.
 * @param readsOf for how many reads of a layout its program is made, where that differs
 */
export function groupByShape(
  layouts: readonly Layout[],
  tokens: number,
  nameOf: NameOf,
  readsOf: (index: number) => number = () => 1,
): Group[] {
  const shapes = indicesBy([...layouts.keys()], (i) => {
    const { fresh, past } = layouts[i] as Layout;
    return [readsOf(i), roundLength(fresh.length), ...past.map((b) => roundPast(b.positions.length))].join();
  });
  const groups = shapes.flatMap((members) => {
    const { fresh, past } = layouts[members[0] as number] as Layout;
    const stored = past.length > 0;
    // One position is a product of one row, for which there are other kernels: their bits would be others.
    const length = Math.max(stored ? 2 : 1, roundLength(fresh.length));
    const full = fullRows(length, tokens, Number.MAX_SAFE_INTEGER);
    const batch = stored ? Math.min(full, MOST_ON_STORED) : full;
    const parts = stored ? partsInCommon(layouts, members, batch, nameOf) : chunks(members, batch);
    return parts.map((part): Group => ({ rows: alone(part), batch, length }));
  });
  const largestOf = ({ rows }: Group) => kindOf(layouts[rows[0]?.[0] as number] as Layout, nameOf).name;
  const byBlock = indicesBy([...groups.keys()], (i) => largestOf(groups[i] as Group));
  return byBlock.flat().map((i) => groups[i] as Group);
}

/** Parts of at most `most` indices: those with one largest block by themselves where they are half of that. */
function partsInCommon(
  layouts: readonly Layout[],
  indices: readonly number[],
  most: number,
  nameOf: NameOf,
): number[][] {
  const byName = indicesBy(indices, (i) => kindOf(layouts[i] as Layout, nameOf).name);
  const parts = byName.flatMap((own) => chunks(own, most));
  const isEnough = (part: readonly number[]) => part.length >= Math.max(2, most / 2);
  return [...parts.filter(isEnough), ...chunks(parts.filter((part) => !isEnough(part)).flat(), most)];
}

/** Those with equal keys together, in the order in which they come. */
function indicesBy(indices: readonly number[], keyOf: (i: number) => string): number[][] {
  const groups = new Map<string, number[]>();
  for (const i of indices) {
    const key = keyOf(i);
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  }
  return [...groups.values()];
}

const chunks = (all: readonly number[], size: number): number[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, k) => all.slice(k * size, (k + 1) * size));

/** Rows of these lengths are packed, as long as the token budget allows: few, as each is a program of its own. */
const ROWS = [64, 128, 256, 512, 1024, 2048];

/** Whole prompts packed, everything else as in `groupAlone`. */
export function groupPacked(
  layouts: readonly Layout[],
  tokens: number,
  nameOf: NameOf,
  architecture: Architecture,
): Group[] {
  const sizes = ROWS.filter((length) => length <= tokens);
  const packs = (i: number) => layouts[i]?.past.length === 0 && freshOf(layouts[i]) <= (sizes.at(-1) ?? 0);
  const all = [...layouts.keys()];
  const lengths = layouts.map((layout) => freshOf(layout));
  return [
    ...groupAlone(
      layouts,
      tokens,
      nameOf,
      all.filter((i) => !packs(i)),
    ),
    ...pack(
      all.filter(packs).sort((a, b) => (lengths[b] as number) - (lengths[a] as number) || a - b),
      lengths,
      sizes,
      tokens,
      architecture,
    ),
  ];
}

/** One run after the other: the row length that spends least on a token of those that still wait. */
function pack(
  waiting: readonly number[],
  lengths: readonly number[],
  sizes: readonly number[],
  tokens: number,
  architecture: Architecture,
): Group[] {
  const groups: Group[] = [];
  let rest = waiting;
  while (rest.length) {
    const first = lengths[rest[0] as number] as number;
    const options = sizes
      .filter((length) => length >= first)
      .map((length) => fillRows(rest, lengths, length, Math.floor(tokens / length)));
    const cost = ({ rows, batch, length }: Group) =>
      (batch * length * tokenCost(architecture, length)) /
      rows.flat().reduce((n, i) => n + (lengths[i] as number), 0);
    const best = options.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    groups.push(best);
    const taken = new Set(best.rows.flat());
    rest = rest.filter((i) => !taken.has(i));
  }
  return groups;
}

/** The longest first, each into the first row that has room. */
function fillRows(
  waiting: readonly number[],
  lengths: readonly number[],
  length: number,
  most: number,
): Group {
  const rows: number[][] = [];
  const room: number[] = [];
  let largestRoom = length;
  for (const i of waiting) {
    const size = lengths[i] as number;
    if (size > largestRoom) continue;
    let row = room.findIndex((free) => free >= size);
    if (row < 0) {
      if (rows.length === most) continue;
      row = rows.push([]) - 1;
      room.push(length);
    }
    rows[row]?.push(i);
    room[row] = (room[row] as number) - size;
    if (rows.length === most) largestRoom = Math.max(...room);
  }
  return { rows, batch: partRows(rows.length, most), length };
}

/**
 * What a token costs in a row of this length, in operations of its linear maps: attention grows with the row. A
 * score costs about 60 operations of a product in its softmax, both ways.
 */
function tokenCost(
  { tensors, embedding, vocabularyHead, layers, heads, headDim }: Architecture,
  length: number,
): number {
  let weights = 0;
  for (const [name, shape] of tensors) {
    if (shape.length === 2 && name !== embedding && name !== vocabularyHead)
      weights += (shape[0] as number) * (shape[1] as number);
  }
  return 2 * weights + layers * heads * length * (4 * headDim + 60);
}
