/** Molecules beyond what RDKit's WebAssembly build can follow: refused beforehand, and nothing else suffers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadMolecules, longestPath, Molecules } from "../../src/molecules.ts";
import type { Rdkit } from "../../src/rdkit.ts";
import { fingerprints } from "../../src/study/fingerprints.ts";

const residues = [
  "NCC(=O)",
  "N[C@@H](C)C(=O)",
  "N[C@@H](Cc1ccccc1)C(=O)",
  "N[C@@H](CCCCN)C(=O)",
  "N[C@@H](Cc1c[nH]c2ccccc12)C(=O)",
];
const peptide = (length: number) =>
  `${Array.from({ length }, (_, i) => residues[i % residues.length]).join("")}O`;

test("the longest path is never counted too short", () => {
  for (const [smiles, least, most] of [
    ["C".repeat(800), 800, 800],
    [`${"C(".repeat(500)}C${")".repeat(500)}`, 501, 1002],
    [`${"[13C@H](F)(Cl)".repeat(300)}C`, 301, 303],
    [`C1${"C".repeat(598)}C1`, 600, 600],
    // Across the branch a ring closes, so a path may take all of it: through the ring, not along the chain.
    [`C1${"C(".repeat(300)}${"C".repeat(300)}1${")".repeat(300)}`, 601, 601],
    [peptide(120), 361, 400],
    [peptide(200), 601, 640],
  ] as const) {
    const found = longestPath(smiles);
    assert.ok(found >= least && found <= most, `${smiles.slice(0, 30)}: ${found}`);
  }
  assert.equal(longestPath("MKVLAAGIV".repeat(100)), 0);
  assert.equal(longestPath(`${"C".repeat(600)})C`), 0);
});

test("too large molecules are none, and those after them are read as before", async () => {
  const molecules = await loadMolecules();
  const aspirin = "CC(=O)Oc1ccccc1C(=O)O";
  for (const large of ["C".repeat(800), peptide(200), `${"C".repeat(700)} a name`]) {
    assert.equal(molecules.read(large), null);
    assert.equal(molecules.scaffold(large), null);
    assert.equal(molecules.isTooLarge(large), true);
  }
  assert.equal(molecules.scaffold(aspirin), "c1ccccc1");
  assert.equal(molecules.isTooLarge(aspirin), false);
  assert.equal(molecules.isTooLarge("no molecule"), false);
  assert.ok((await loadMolecules()) === molecules);
  assert.equal(
    (await fingerprints([["C".repeat(800)]])).every((bit) => bit === 0),
    true,
  );
});

test("a molecule that is read and whose scaffold has too many atoms says so", async () => {
  const molecules = await loadMolecules();
  const wide = `${"N[C@@H](Cc1c[nH]c2ccccc12)C(=O)".repeat(120)}O`;
  assert.notEqual(molecules.read(wide), null);
  assert.equal(molecules.scaffold(wide), null);
  assert.equal(molecules.isTooLarge(wide), true);
});

test("what RDKit throws names the molecule, and the instance is not used again", async () => {
  const broken = await loadMolecules();
  const rdkit: Rdkit = {
    get_mol: () => {
      throw "a WebAssembly exception";
    },
  };
  Object.assign(broken, { rdkit });
  const expected = { code: "study/data", message: /RDKit failed on the molecule "CCCl"/ };
  assert.throws(() => broken.read("CCCl"), expected);
  assert.throws(() => broken.scaffold("CCCl"), expected);
  assert.throws(() => broken.read("CCO"), expected);
  const fresh = await loadMolecules();
  assert.ok(fresh !== broken);
  assert.equal(fresh.read("OCC")?.smiles, "CCO");
  assert.throws(() => new Molecules(rdkit).scaffold("CCCl"), expected);
  assert.ok((await loadMolecules()) === fresh);
});
