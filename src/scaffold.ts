/**
 * The Bemis-Murcko scaffold of a molecule: its rings, what links them, and atoms double-bonded to either
 * (Bemis and Murcko 1996, as RDKit takes it), as canonical SMILES without stereochemistry.
 */
import type { Rdkit, RdkitMolecule } from "./rdkit.ts";

interface Graph {
  readonly atoms: readonly { readonly z: number; readonly charge: number }[];
  readonly bonds: readonly { readonly ends: readonly [number, number]; readonly order: number }[];
}

/** Atoms and bonds that a V2000 molfile can number. */
const mostNumbered = 999;

export class TooLarge extends Error {}

/** "" for a molecule without rings; null for what is no molecule. Throws TooLarge. */
export function scaffoldOf(rdkit: Rdkit, smiles: string): string | null {
  const molecule = rdkit.get_mol(smiles);
  if (!molecule) return null;
  try {
    const graph = graphOf(molecule);
    const kept = coreOf(graph);
    return kept.size === 0 ? "" : smilesOf(rdkit, graph, kept);
  } finally {
    molecule.delete();
  }
}

/** Reads RDKit's JSON, whose bonds are those of a Kekule structure. */
function graphOf(molecule: RdkitMolecule): Graph {
  const { defaults, molecules } = JSON.parse(molecule.get_json()) as {
    defaults: { atom: { z: number; chg: number }; bond: { bo: number } };
    molecules: {
      atoms: { z?: number; chg?: number }[];
      bonds?: { atoms: [number, number]; bo?: number }[];
    }[];
  };
  const [first] = molecules;
  return {
    atoms: (first?.atoms ?? []).map((a) => ({
      z: a.z ?? defaults.atom.z,
      charge: a.chg ?? defaults.atom.chg,
    })),
    bonds: (first?.bonds ?? []).map((b) => ({ ends: b.atoms, order: b.bo ?? defaults.bond.bo })),
  };
}

/** Atoms that are left when ends of chains are taken off until none is; then those double-bonded to them. */
function coreOf({ atoms, bonds }: Graph): Set<number> {
  const core = new Set(atoms.keys());
  const degree = new Int32Array(atoms.length);
  for (const { ends } of bonds) for (const a of ends) degree[a]!++;
  const ends = [...core].filter((a) => degree[a]! <= 1);
  for (let a = ends.pop(); a !== undefined; a = ends.pop()) {
    core.delete(a);
    for (const { ends: both } of bonds) {
      const other = both[0] === a ? both[1] : both[1] === a ? both[0] : null;
      if (other === null || !core.has(other)) continue;
      degree[other]!--;
      if (degree[other]! === 1) ends.push(other);
    }
  }
  const kept = new Set(core);
  for (const { ends: both, order } of bonds) {
    if (order !== 2) continue;
    const [a, b] = both;
    if (core.has(a)) kept.add(b);
    if (core.has(b)) kept.add(a);
  }
  return kept;
}

function smilesOf(rdkit: Rdkit, graph: Graph, kept: ReadonlySet<number>): string | null {
  const scaffold = rdkit.get_mol(molBlock(graph, kept));
  try {
    return scaffold?.get_smiles() ?? null;
  } finally {
    scaffold?.delete();
  }
}

/** V2000; hydrogens are what the valences leave. */
function molBlock({ atoms, bonds }: Graph, kept: ReadonlySet<number>): string {
  const number = new Map([...kept].map((a, i) => [a, i + 1]));
  const inside = bonds.filter(({ ends }) => ends.every((a) => kept.has(a)));
  if (Math.max(kept.size, inside.length) > mostNumbered) throw new TooLarge();
  const pad = (n: number, width = 3) => String(n).padStart(width);
  const atomLines = [...kept].map(
    (a) => `    0.0000    0.0000    0.0000 ${symbols[atoms[a]!.z] ?? "*"} 0  0  0  0  0  0  0  0  0  0  0  0`,
  );
  const bondLines = inside.map(
    ({ ends, order }) => `${pad(number.get(ends[0])!)}${pad(number.get(ends[1])!)}${pad(order)}  0`,
  );
  const charged = [...kept].filter((a) => atoms[a]!.charge !== 0);
  const chargeLines = charged.map((a) => `M  CHG  1${pad(number.get(a)!, 4)}${pad(atoms[a]!.charge, 4)}`);
  const counts = `${pad(kept.size)}${pad(inside.length)}  0  0  0  0  0  0  0  0999 V2000`;
  return ["", "     tagllm", "", counts, ...atomLines, ...bondLines, ...chargeLines, "M  END"].join("\n");
}

const elements =
  "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe";
/** By atomic number, padded as a molfile wants them. */
const symbols: Record<number, string> = Object.fromEntries(
  elements.split(" ").map((symbol, i) => [i + 1, symbol.padEnd(3)]),
);
