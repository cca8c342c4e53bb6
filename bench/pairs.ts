/**
 * Pairs of a protein and a molecule, asked about with one function tag: what `function-epoch` and `screen` run, as
 * lengths of real sequences (a token a character) that both sides fill with random ids.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Query, Reuse } from "../src/batch/layout.ts";
import { sharedFolder } from "../test/support/goldens.ts";

export interface PairsShape {
  /** As in a checkpoint's config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Characters of each protein. */
  readonly proteins: readonly number[];
  /** Characters of each molecule; every protein is asked about with each. */
  readonly molecules: readonly number[];
  readonly threads: number;
  /** What an epoch stores; everything in front of the function tag when absent. */
  readonly reuse?: Reuse;
}

/** Tokens of the prompt's text: before the protein, between, after the molecule; vectors of each of its three tags. */
export const PROMPT = { begin: 5, middle: 8, end: 8, vectors: 10 } as const;

/** Positions of a whole prompt. */
export const promptLength = (protein: number, molecule: number): number =>
  PROMPT.begin + protein + PROMPT.middle + molecule + PROMPT.end + 3 * PROMPT.vectors;

const davis = async (file: string): Promise<string[]> =>
  Object.values(
    JSON.parse(await readFile(join(sharedFolder, "data", "davis", file), "utf8")) as Record<string, string>,
  );

/** Lengths of DAVIS's distinct proteins, shortest first. */
export async function proteinLengths(): Promise<number[]> {
  const distinct = new Set(await davis("proteins.txt"));
  return [...distinct].map((sequence) => sequence.length).sort((a, b) => a - b);
}

/** Lengths of DAVIS's drugs, in the order of its file. */
export const drugLengths = async (): Promise<number[]> =>
  (await davis("ligands_can.txt")).map((smiles) => smiles.length);

/** The `count` lengths that are nearest to the median. */
export function nearestMedian(sorted: readonly number[], count: number): number[] {
  const median = sorted[Math.floor(sorted.length / 2)] as number;
  return [...sorted].sort((a, b) => Math.abs(a - median) - Math.abs(b - median)).slice(0, count);
}

/** Every protein with every molecule; equal sequences have equal ids. */
export function pairQueries(
  { proteins, molecules }: PairsShape,
  random: () => number,
  vocab: number,
): Query[] {
  const text = (length: number) => Int32Array.from({ length }, () => Math.floor(random() * vocab));
  const slots = new Int32Array(PROMPT.vectors).fill(-1);
  const [begin, middle, end] = [text(PROMPT.begin), text(PROMPT.middle), text(PROMPT.end)];
  const sequences = proteins.map(text);
  const smiles = molecules.map(text);
  return sequences.flatMap((protein) =>
    smiles.map((molecule): Query => {
      const parts = [begin, slots, protein, middle, slots, molecule, end, slots];
      const starts = parts.map((_, i) => parts.slice(0, i).reduce((n, p) => n + p.length, 0));
      const ids = Int32Array.from(parts.flatMap((p) => [...p]));
      const at = (i: number) => starts[i] as number;
      const span = (tag: string, i: number) => ({
        tag,
        field: tag,
        start: at(i),
        end: at(i + 2),
        isolate: true,
      });
      return {
        prompt: {
          ids,
          slots: [
            { tag: "Protein", position: at(1) },
            { tag: "SMILES", position: at(4) },
            { tag: "Affinity", position: at(7) },
          ],
          spans: [span("Protein", 1), span("SMILES", 4)],
          pieces: [],
          readout: ids.length - 1,
          target: null,
          trimmed: [],
        },
        isolate: true,
        cut: at(7),
      };
    }),
  );
}
