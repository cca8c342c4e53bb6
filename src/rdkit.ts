/** The only importer of RDKit: parsing of SMILES, canonical SMILES, descriptors, fingerprints, drawings. */
import { createRequire } from "node:module";

/** The part of RDKit's module that is used; its own types do not fit how Node loads it. */
export interface Rdkit {
  /** From SMILES or a molfile. */
  get_mol(text: string): RdkitMolecule | null;
}

export interface RdkitMolecule {
  get_smiles(): string;
  get_json(): string;
  get_descriptors(): string;
  get_svg(width: number, height: number): string;
  get_morgan_fp_as_uint8array(options: string): Uint8Array;
  /** Frees its memory in WebAssembly, which nothing else does. */
  delete(): void;
}

export async function loadRdkit(): Promise<Rdkit> {
  const init = createRequire(import.meta.url)("@rdkit/rdkit") as () => Promise<Rdkit>;
  return await init();
}
