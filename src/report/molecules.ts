/** Draws the molecules among the fields of rows. */
import { loadRdkit, type Rdkit } from "../rdkit.ts";
import type { RowError } from "./summary.ts";

const size = { width: 220, height: 150 };
/** Longer ones would be unreadable at this size. */
const longest = 200;

/** Rows whose fields are molecules get `drawings`; a field counts as molecules when all of its values parse. */
export async function drawMolecules(rows: readonly RowError[]): Promise<RowError[]> {
  const names = Object.keys(rows[0]?.fields ?? {});
  const likely = names.filter((name) => rows.every((r) => looksLikeSmiles(r.fields[name] ?? "")));
  if (likely.length === 0) return [...rows];
  const rdkit = await loadRdkit();
  const drawn = rows.map((r) => likely.map((name) => drawing(rdkit, r.fields[name] as string)));
  const molecules = likely.filter((_, i) => drawn.every((d) => d[i] !== null));
  return rows.map((row, r) => ({
    ...row,
    drawings: Object.fromEntries(molecules.map((name) => [name, drawn[r]?.[likely.indexOf(name)] as string])),
  }));
}

const looksLikeSmiles = (text: string): boolean =>
  text.length > 0 && text.length <= longest && /^[A-Za-z0-9@+\-[\]()=#$:/\\%.*~]+$/.test(text);

function drawing(rdkit: Rdkit, smiles: string): string | null {
  const molecule = rdkit.get_mol(smiles);
  try {
    return molecule?.get_svg(size.width, size.height).replace(/<\?xml[^>]*\?>\s*/, "") ?? null;
  } finally {
    molecule?.delete();
  }
}
