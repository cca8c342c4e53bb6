/** Morgan fingerprints: chemistry's own features of molecules, for a baseline beside the tags. */
import { fingerprintBits, loadMolecules } from "../molecules.ts";

/** [n, bits] for each row's molecules, one after the other; a text that is no molecule has no bits. */
export async function fingerprints(rows: readonly (readonly string[])[]): Promise<Float32Array> {
  const known = await loadMolecules();
  const width = (rows[0]?.length ?? 0) * fingerprintBits;
  const out = new Float32Array(rows.length * width);
  rows.forEach((molecules, row) => {
    molecules.forEach((smiles, m) => {
      known.read(smiles)?.fingerprint.forEach((byte, b) => {
        for (let i = 0; i < 8; i++) out[row * width + m * fingerprintBits + b * 8 + i] = (byte >> i) & 1;
      });
    });
  });
  return out;
}
