/** Morgan fingerprints: chemistry's own features of molecules, for a baseline beside the tags. */
import { loadRdkit, type Rdkit } from "../rdkit.ts";

const bits = 1024;
const options = JSON.stringify({ radius: 2, nBits: bits });

/** [n, bits] for each row's molecules, one after the other; a text that is no molecule has no bits. */
export async function fingerprints(rows: readonly (readonly string[])[]): Promise<Float32Array> {
  const rdkit = await loadRdkit();
  const known = new Map<string, Uint8Array | null>();
  const width = (rows[0]?.length ?? 0) * bits;
  const out = new Float32Array(rows.length * width);
  rows.forEach((molecules, row) => {
    molecules.forEach((smiles, m) => {
      if (!known.has(smiles)) known.set(smiles, bitsOf(rdkit, smiles));
      known.get(smiles)?.forEach((byte, b) => {
        for (let i = 0; i < 8; i++) out[row * width + m * bits + b * 8 + i] = (byte >> i) & 1;
      });
    });
  });
  return out;
}

function bitsOf(rdkit: Rdkit, smiles: string): Uint8Array | null {
  const molecule = rdkit.get_mol(smiles);
  try {
    return molecule?.get_morgan_fp_as_uint8array(options) ?? null;
  } finally {
    molecule?.delete();
  }
}
