/**
 * The demo's own data: a combinatorial library of molecules with Crippen logP, and pairs of them with the Tanimoto
 * similarity of their Morgan fingerprints, both computed by RDKit.
 * Every molecule outside training holds a building block that no training molecule has. The values are computed,
 * not measured; real questions need real data.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { TagllmError } from "../errors.ts";
import { loadRdkit, type Rdkit } from "../rdkit.ts";
import { replaceFile } from "../replace-file.ts";
import { cores, largeGroups, smallGroups } from "./building-blocks.ts";

const sideNames = ["train", "validation", "test"] as const;
type Side = (typeof sideNames)[number];

/** Shares of the molecules and of the pairs; training gets the rest. */
const shares = { validation: 0.1, test: 0.2 };

/** Fewer would leave a side with nothing to measure on. */
const fewest = 20;

/** How many blocks of each list belong to one side alone. The other blocks may be in molecules of any side. */
const heldOut = { validation: 3, test: 4 };

/** Shares of pairs that are drawn among molecules with two blocks, one block or nothing needed in common. */
const sharedBlocks = { two: 0.4, one: 0.35 };

export interface DemoOptions {
  seed: number;
  /** Over all sides. */
  molecules: number;
  /** Over all sides. */
  pairs: number;
  signal?: AbortSignal;
}

export interface DemoData {
  /** Paths: `molecules` (smiles, split, logp, core, r1, r2), `pairs` (smiles_a, smiles_b, similarity, split). */
  files: { molecules: string; pairs: string };
  molecules: Record<Side, number>;
  pairs: Record<Side, number>;
}

interface Block {
  smiles: string;
  /** The one held-out side it may be used on, or "train": usable everywhere. */
  side: Side;
}

interface Molecule {
  smiles: string;
  side: Side;
  logp: number;
  /** Core, group at {1}, group at {2}. */
  blocks: [Block, Block, Block];
  /** Morgan fingerprint, radius 2, 2048 bits. */
  bits: Uint32Array;
}

interface Pair {
  a: Molecule;
  b: Molecule;
  /** Tanimoto, in [0, 1]. */
  similarity: number;
}

/**
 * Writes molecules.csv and pairs.csv into `folder` (made if needed); the same options give the same bytes.
 * Errors: demo/size; run/folder where one of them is there with other text. An abort rejects with the signal's reason.
 */
export async function makeDemoData(folder: string, options: DemoOptions): Promise<DemoData> {
  const moleculeCounts = sideSizes(options.molecules, "molecules");
  const pairCounts = sideSizes(options.pairs, "pairs");
  const random = xoroshiro128plus(options.seed);
  const library: Library = [
    assignBlocks(cores, random),
    assignBlocks(smallGroups, random),
    assignBlocks(largeGroups, random),
  ];
  const molecules = await makeMolecules(library, moleculeCounts, random, options.signal);
  const pairs = sideNames.flatMap((side) =>
    makePairs(
      molecules.filter((molecule) => molecule.side === side),
      pairCounts[side],
      random,
    ),
  );

  const files = { molecules: join(folder, "molecules.csv"), pairs: join(folder, "pairs.csv") };
  await writeOwn(files.molecules, moleculeTable(molecules));
  await writeOwn(files.pairs, pairTable(pairs));
  return { files, molecules: moleculeCounts, pairs: pairCounts };
}

/** Not over what others wrote. */
async function writeOwn(file: string, text: string): Promise<void> {
  const found = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (found === null) return replaceFile(file, text);
  if (found === text) return;
  throw new TagllmError(
    "run/folder",
    `${file} is not what the demo makes.`,
    "Choose another folder with --out, or remove the file.",
  );
}

function sideSizes(total: number, what: string): Record<Side, number> {
  if (!Number.isInteger(total) || total < fewest) {
    throw new TagllmError(
      "demo/size",
      `The demo cannot make ${total} ${what}.`,
      `Ask for ${fewest} or more.`,
    );
  }
  const validation = Math.round(total * shares.validation);
  const test = Math.round(total * shares.test);
  return { train: total - validation - test, validation, test };
}

type Library = [Block[], Block[], Block[]];

function assignBlocks(list: readonly string[], random: RandomGenerator): Block[] {
  return shuffled(list, random).map((smiles, i) => ({
    smiles,
    side: i < heldOut.test ? "test" : i < heldOut.test + heldOut.validation ? "validation" : "train",
  }));
}

async function makeMolecules(
  library: Library,
  counts: Record<Side, number>,
  random: RandomGenerator,
  signal?: AbortSignal,
): Promise<Molecule[]> {
  const rdkit = await loadRdkit();
  const combinations = shuffled(combine(library), random);
  const known = new Set<string>();
  const made: Molecule[] = [];
  for (const side of sideNames) {
    const wanted = counts[side];
    const eligible = combinations.filter((blocks) => sideOf(blocks) === side);
    let found = 0;
    for (const [i, blocks] of eligible.entries()) {
      if (found === wanted) break;
      if (i % 100 === 0) {
        signal?.throwIfAborted();
        await setImmediate();
      }
      const molecule = describe(rdkit, blocks, side, known);
      if (molecule === null) continue;
      made.push(molecule);
      found++;
    }
    if (found < wanted) throw tooMany(`${wanted} ${side} molecules`, `${found} exist`);
  }
  return made;
}

function combine([core, small, large]: Library): Molecule["blocks"][] {
  return core.flatMap((c) => small.flatMap((s) => large.map((l): Molecule["blocks"] => [c, s, l])));
}

/** The side on which these blocks may stand together; null for a mix of two held-out sides. */
function sideOf(blocks: Molecule["blocks"]): Side | null {
  const held = new Set(blocks.map(({ side }) => side).filter((side) => side !== "train"));
  if (held.size > 1) return null;
  const [side = "train"] = held;
  return side;
}

/** The molecule as RDKit sees it, or null when it is one of the known. */
function describe(rdkit: Rdkit, blocks: Molecule["blocks"], side: Side, known: Set<string>): Molecule | null {
  const text = assemble(blocks);
  const mol = rdkit.get_mol(text);
  if (mol === null) throw new Error(`The building blocks give an impossible molecule: ${text}`);
  try {
    const smiles = mol.get_smiles();
    if (known.has(smiles)) return null;
    known.add(smiles);
    const { CrippenClogP } = JSON.parse(mol.get_descriptors()) as { CrippenClogP: number };
    const bytes = mol.get_morgan_fp_as_uint8array(fingerprint);
    return { smiles, side, blocks, logp: CrippenClogP, bits: new Uint32Array(bytes.slice().buffer) };
  } finally {
    mol.delete();
  }
}

const fingerprint = JSON.stringify({ radius: 2, nBits: 2048 });

function assemble([core, small, large]: Molecule["blocks"]): string {
  return core.smiles.replace("{1}", small.smiles).replace("{2}", large.smiles);
}

/** Distinct pairs, more of them alike than chance would give: most molecules of a library have little in common. */
function makePairs(molecules: Molecule[], wanted: number, random: RandomGenerator): Pair[] {
  const families = groupByBlocks(molecules);
  const used = new Set<string>();
  const pairs: Pair[] = [];
  for (let attempt = 0; pairs.length < wanted; attempt++) {
    if (molecules.length < 2 || attempt > 100 * wanted) {
      throw tooMany(`${wanted} pairs`, `${molecules.length} molecules gave ${pairs.length}`);
    }
    const progress = Math.max(pairs.length, attempt / 10) / wanted;
    const a = pick(molecules, random);
    const b = pick(partnersOf(a, progress, molecules, families, random), random);
    const key = [a.smiles, b.smiles].sort().join(" ");
    if (a === b || used.has(key)) continue;
    used.add(key);
    pairs.push({ a, b, similarity: tanimoto(a.bits, b.bits) });
  }
  return shuffled(pairs, random);
}

/**
 * `progress` from 0 up decides how many blocks the partner shares at least, so that the shares come out exactly;
 * it also grows with failed attempts, so that a small library runs out of close pairs without harm.
 */
function partnersOf(
  molecule: Molecule,
  progress: number,
  all: Molecule[],
  families: Map<string, Molecule[]>,
  random: RandomGenerator,
): Molecule[] {
  const place = uniformInt(random, 0, 2);
  if (progress < sharedBlocks.two) return families.get(familyKeys(molecule).two[place]!)!;
  if (progress < sharedBlocks.two + sharedBlocks.one) return families.get(familyKeys(molecule).one[place]!)!;
  return all;
}

function groupByBlocks(molecules: Molecule[]): Map<string, Molecule[]> {
  const families = new Map<string, Molecule[]>();
  for (const molecule of molecules) {
    const { one, two } = familyKeys(molecule);
    for (const key of [...one, ...two]) {
      const family = families.get(key);
      if (family) family.push(molecule);
      else families.set(key, [molecule]);
    }
  }
  return families;
}

function familyKeys({ blocks: [core, small, large] }: Molecule): { one: string[]; two: string[] } {
  const [c, s, l] = [`core ${core.smiles}`, `small ${small.smiles}`, `large ${large.smiles}`];
  return { one: [c, s, l], two: [`${c} ${s}`, `${c} ${l}`, `${s} ${l}`] };
}

/** Common bits / bits of either. */
export function tanimoto(a: Uint32Array, b: Uint32Array): number {
  let both = 0;
  let either = 0;
  for (let i = 0; i < a.length; i++) {
    both += bitCount(a[i]! & b[i]!);
    either += bitCount(a[i]! | b[i]!);
  }
  return either === 0 ? 1 : both / either;
}

function bitCount(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}

function moleculeTable(molecules: Molecule[]): string {
  const rows = molecules.map(({ smiles, side, logp, blocks }) =>
    [smiles, side, logp.toFixed(4), ...blocks.map((block) => block.smiles)].join(","),
  );
  return `${["smiles,split,logp,core,r1,r2", ...rows].join("\n")}\n`;
}

function pairTable(pairs: Pair[]): string {
  const rows = pairs.map(({ a, b, similarity }) =>
    [a.smiles, b.smiles, similarity.toFixed(4), a.side].join(","),
  );
  return `${["smiles_a,smiles_b,similarity,split", ...rows].join("\n")}\n`;
}

function shuffled<T>(items: readonly T[], random: RandomGenerator): T[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
  }
  return mixed;
}

function pick<T>(items: readonly T[], random: RandomGenerator): T {
  return items[uniformInt(random, 0, items.length - 1)]!;
}

function tooMany(wanted: string, found: string): TagllmError {
  return new TagllmError("demo/size", `The demo cannot make ${wanted}: ${found}.`, "Ask for fewer.");
}
