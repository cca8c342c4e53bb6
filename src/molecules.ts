/**
 * What is compared of molecules: canonical SMILES, Morgan fingerprints, scaffolds. Reading a molecule takes
 * milliseconds, and the trials of a search read the same tables again; so what was read is remembered.
 */
import { TagllmError } from "./errors.ts";
import { loadRdkit, type Rdkit } from "./rdkit.ts";
import { scaffoldOf, TooLarge } from "./scaffold.ts";
import { quote } from "./suggest.ts";

export interface Molecule {
  /** Canonical SMILES. */
  readonly smiles: string;
  /** Morgan fingerprint of radius 2, folded to `fingerprintBits`. */
  readonly fingerprint: Uint8Array;
}

export const fingerprintBits = 1024;

const morgan = JSON.stringify({ radius: 2, nBits: fingerprintBits });

const mostRemembered = 200_000;

/**
 * Atoms of the longest path through a molecule that RDKit is given. It follows paths by recursion, and its WebAssembly
 * has a small stack: chains of 580 atoms are read, 590 break it, and 700 do not return. Other atoms cost it nothing.
 */
const longestRead = 450;

export class Molecules {
  private readonly rdkit: Rdkit;
  private readonly onFailure: () => void;
  /** What RDKit threw: its memory is not to be trusted since. */
  private failure: TagllmError | null = null;
  private readonly known = new Map<string, Molecule | null>();
  private readonly scaffolds = new Map<string, string | null>();
  private readonly largeScaffolds = new Set<string>();

  /** @param onFailure hears once that this instance is of no more use */
  constructor(rdkit: Rdkit, onFailure: () => void = () => {}) {
    this.rdkit = rdkit;
    this.onFailure = onFailure;
  }

  /** null for what is no molecule, or too large a one. Throws study/data. */
  read(smiles: string): Molecule | null {
    return remembered(this.known, smiles, () => this.guarded(smiles, () => this.readAnew(smiles)));
  }

  /** "" for a molecule without rings; null for what is no molecule, or too large a one. Throws study/data. */
  scaffold(smiles: string): string | null {
    return remembered(this.scaffolds, smiles, () =>
      this.guarded(smiles, () => {
        try {
          return scaffoldOf(this.rdkit, smiles);
        } catch (error) {
          if (!(error instanceof TooLarge)) throw error;
          this.largeScaffolds.add(smiles);
          return null;
        }
      }),
    );
  }

  /** Whether a text has no molecule, or no scaffold, only because RDKit could not take it. */
  isTooLarge(smiles: string): boolean {
    return longestPath(smiles) > longestRead || this.largeScaffolds.has(smiles);
  }

  private readAnew(smiles: string): Molecule | null {
    const molecule = this.rdkit.get_mol(smiles);
    try {
      return (
        molecule && {
          smiles: molecule.get_smiles(),
          fingerprint: molecule.get_morgan_fp_as_uint8array(morgan),
        }
      );
    } finally {
      molecule?.delete();
    }
  }

  private guarded<T>(smiles: string, work: () => T): T | null {
    if (this.failure) throw this.failure;
    if (longestPath(smiles) > longestRead) return null;
    try {
      return work();
    } catch (cause) {
      this.onFailure();
      const problem = `RDKit failed on the molecule ${quote(smiles)}.`;
      this.failure = new TagllmError("study/data", problem, "Leave its row out (where), or correct it.", {
        cause,
      });
      throw this.failure;
    }
  }
}

/** An atom, a ring label, or what begins or ends a branch; other letters stand in no SMILES. */
const symbol = /\[[^\]]*\]|%\(\d+\)|%\d\d|Br|Cl|[A-Za-z*\d()]/g;

interface Branch {
  atoms: number;
  /** Atoms on its way from first to last, and all of rings across it: a path may take every one. */
  own: number;
  /** Of the branches that hang on it, the longest way into one. */
  deepest: number;
  /** Labels of rings that are open. */
  readonly rings: Set<string>;
}

const newBranch = (): Branch => ({ atoms: 0, own: 0, deepest: 0, rings: new Set() });

/** Atoms of no path through the molecule are more; 0 for what is no SMILES. */
export function longestPath(smiles: string): number {
  const [text = ""] = smiles.trim().split(/\s/, 1);
  if (text.length <= longestRead) return text.length;
  const outer: Branch[] = [];
  let branch = newBranch();
  for (const [s] of text.matchAll(symbol)) {
    if (s === "(") {
      outer.push(branch);
      branch = newBranch();
    } else if (s === ")") {
      const into = outer.pop();
      if (!into) return 0;
      join(into, branch);
      branch = into;
    } else if (/^[%\d]/.test(s)) toggle(branch.rings, s.replace(/^%\(?0?|\)$/g, ""));
    else if (/^(\[.*|Br|Cl|[BCNOPSFIbcnops*])$/.test(s)) {
      branch.atoms++;
      branch.own++;
    } else return 0;
  }
  return branch.own + 2 * branch.deepest;
}

function join(into: Branch, branch: Branch): void {
  into.atoms += branch.atoms;
  if (branch.rings.size > 0) into.own += branch.atoms;
  else into.deepest = Math.max(into.deepest, branch.own + branch.deepest);
  for (const ring of branch.rings) toggle(into.rings, ring);
}

function toggle(labels: Set<string>, label: string): void {
  if (!labels.delete(label)) labels.add(label);
}

function remembered<T>(known: Map<string, T>, key: string, read: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  if (known.size >= mostRemembered) known.clear();
  const value = read();
  known.set(key, value);
  return value;
}

let loading: Promise<Molecules> | null = null;

const forget = (): void => {
  loading = null;
};

export function loadMolecules(): Promise<Molecules> {
  loading ??= loadRdkit().then((rdkit) => new Molecules(rdkit, forget));
  return loading;
}
