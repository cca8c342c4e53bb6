/**
 * What is compared of molecules: canonical SMILES, Morgan fingerprints, scaffolds. Reading a molecule takes
 * milliseconds, and the trials of a search read the same tables again; so what was read is remembered.
 */
import { loadRdkit, type Rdkit } from "./rdkit.ts";
import { scaffoldOf } from "./scaffold.ts";

export interface Molecule {
  /** Canonical SMILES. */
  readonly smiles: string;
  /** Morgan fingerprint of radius 2, folded to `fingerprintBits`. */
  readonly fingerprint: Uint8Array;
}

export const fingerprintBits = 1024;

const morgan = JSON.stringify({ radius: 2, nBits: fingerprintBits });

const mostRemembered = 200_000;

class Molecules {
  private readonly rdkit: Rdkit;
  private readonly known = new Map<string, Molecule | null>();
  private readonly scaffolds = new Map<string, string | null>();

  constructor(rdkit: Rdkit) {
    this.rdkit = rdkit;
  }

  /** null for what is no molecule. */
  read(smiles: string): Molecule | null {
    return remembered(this.known, smiles, () => {
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
    });
  }

  /** "" for a molecule without rings; null for what is no molecule. */
  scaffold(smiles: string): string | null {
    return remembered(this.scaffolds, smiles, () => scaffoldOf(this.rdkit, smiles));
  }
}

export type { Molecules };

function remembered<T>(known: Map<string, T>, key: string, read: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  if (known.size >= mostRemembered) known.clear();
  const value = read();
  known.set(key, value);
  return value;
}

let loading: Promise<Molecules> | null = null;

export function loadMolecules(): Promise<Molecules> {
  loading ??= loadRdkit().then((rdkit) => new Molecules(rdkit));
  return loading;
}
