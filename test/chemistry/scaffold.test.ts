/** Scaffolds equal those of RDKit's own code (goldens.py); compared as molecules, not as text. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadRdkit } from "../../src/rdkit.ts";
import { scaffoldOf } from "../../src/scaffold.ts";

const goldens = JSON.parse(readFileSync(new URL("scaffolds.json", import.meta.url), "utf8")) as Record<
  string,
  string
>;
const rdkit = await loadRdkit();

function canonical(smiles: string): string {
  if (smiles === "") return "";
  const molecule = rdkit.get_mol(smiles);
  try {
    return molecule!.get_smiles();
  } finally {
    molecule?.delete();
  }
}

test("every scaffold is RDKit's", () => {
  const different = Object.entries(goldens).flatMap(([smiles, expected]) => {
    const found = scaffoldOf(rdkit, smiles);
    return found === canonical(expected) ? [] : [`${smiles}: ${found}, not ${canonical(expected)}`];
  });
  assert.deepEqual(different, []);
  assert.ok(Object.keys(goldens).length > 50);
});

test("what is no molecule has none", () => {
  assert.equal(scaffoldOf(rdkit, "MKVLAAGIV"), null);
  assert.equal(scaffoldOf(rdkit, "C1CC"), null);
});
