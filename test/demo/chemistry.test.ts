/** The demo's data: valid, distinct, the same for a seed, and nothing of the held-out blocks in training. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readRows } from "../../src/data/source.ts";
import { splitRows } from "../../src/data/split.ts";
import { cores, largeGroups, smallGroups } from "../../src/demo/building-blocks.ts";
import { makeDemoData, tanimoto } from "../../src/demo/chemistry.ts";
import { loadRdkit, type RdkitMolecule } from "../../src/rdkit.ts";

const folder = mkdtempSync(join(tmpdir(), "tagllm-demo-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const rdkit = await loadRdkit();

function withMolecule<T>(smiles: string, use: (mol: RdkitMolecule) => T): T {
  const mol = rdkit.get_mol(smiles);
  assert.ok(mol, smiles);
  try {
    return use(mol);
  } finally {
    mol.delete();
  }
}

const logp = (smiles: string) =>
  withMolecule(smiles, (mol) => JSON.parse(mol.get_descriptors()).CrippenClogP as number);
const canonical = (smiles: string) => withMolecule(smiles, (mol) => mol.get_smiles());
const bits = (smiles: string) => {
  const text = JSON.stringify({ radius: 2, nBits: 2048 });
  return withMolecule(smiles, (mol) => new Uint32Array(mol.get_morgan_fp_as_uint8array(text).slice().buffer));
};

const options = { seed: 7, molecules: 4000, pairs: 600 };
const started = performance.now();
const data = await makeDemoData(join(folder, "new", "a"), options);
const seconds = (performance.now() - started) / 1000;
const molecules = await readRows({ file: data.files.molecules });
const pairs = await readRows({ file: data.files.pairs });

test("RDKit gives the published Crippen logP of simple molecules", () => {
  for (const [smiles, value] of [
    ["c1ccccc1", 1.6866],
    ["CCO", -0.0014],
    ["CC(=O)Oc1ccccc1C(=O)O", 1.3101],
  ] as const) {
    assert.ok(Math.abs(logp(smiles) - value) < 1e-9, `${smiles}: ${logp(smiles)}`);
  }
});

test("Tanimoto similarity is common bits over bits of either", () => {
  assert.equal(tanimoto(Uint32Array.of(0b1011, 0x80000000), Uint32Array.of(0b0110, 0x80000001)), 2 / 6);
  assert.equal(tanimoto(bits("CCO"), bits("OCC")), 1);
  assert.equal(tanimoto(new Uint32Array(2), new Uint32Array(2)), 1);
});

test("as many rows as asked, in time", () => {
  assert.deepEqual(data.molecules, { train: 2800, validation: 400, test: 800 });
  assert.deepEqual(data.pairs, { train: 420, validation: 60, test: 120 });
  assert.deepEqual(molecules.columns, ["smiles", "split", "logp", "core", "r1", "r2"]);
  assert.deepEqual(pairs.columns, ["smiles_a", "smiles_b", "similarity", "split"]);
  assert.equal(molecules.rows.length, 4000);
  assert.equal(pairs.rows.length, 600);
  assert.ok(seconds < 25, `${seconds} s`);
});

test("every molecule is valid, canonical, distinct, and has its own logP", () => {
  assert.equal(new Set(molecules.rows.map((row) => row.smiles)).size, 4000);
  for (const row of molecules.rows.filter((_, i) => i % 20 === 0)) {
    assert.equal(canonical(row.smiles!), row.smiles);
    assert.equal(logp(row.smiles!).toFixed(4), row.logp);
  }
});

test("every combination of a core with a group makes a molecule", () => {
  assert.equal(new Set([...cores, ...smallGroups, ...largeGroups].map(String)).size, 80);
  for (const core of cores) {
    for (const group of [...smallGroups, ...largeGroups]) {
      assert.ok(canonical(core.replace("{1}", group).replace("{2}", "C")), `${core} ${group}`);
      assert.ok(canonical(core.replace("{1}", "C").replace("{2}", group)), `${core} ${group}`);
    }
  }
});

test("held-out molecules each have a block of their side alone, training has none of them", () => {
  const blocksOf = (side: string) =>
    molecules.rows
      .filter((row) => row.split === side)
      .map((row) => [`core ${row.core}`, `r1 ${row.r1}`, `r2 ${row.r2}`]);
  for (const side of ["validation", "test"]) {
    const elsewhere = ["train", "validation", "test"]
      .filter((other) => other !== side)
      .flatMap(blocksOf)
      .flat();
    const known = new Set(elsewhere);
    const own = new Set<string>();
    for (const blocks of blocksOf(side)) {
      const held = blocks.filter((block) => !known.has(block));
      assert.ok(held.length > 0, blocks.join(" "));
      for (const block of held) own.add(block);
    }
    assert.equal(own.size, side === "test" ? 12 : 9);
  }
});

test("pairs stay on one side, are distinct, and have the similarity of their fingerprints", () => {
  const sideOf = new Map(molecules.rows.map((row) => [row.smiles, row.split]));
  const keys = pairs.rows.map((row) => [row.smiles_a, row.smiles_b].sort().join(" "));
  assert.equal(new Set(keys).size, 600);
  for (const { smiles_a: a, smiles_b: b, similarity, split } of pairs.rows) {
    assert.notEqual(a, b);
    assert.deepEqual([sideOf.get(a!), sideOf.get(b!)], [split, split]);
    assert.equal(tanimoto(bits(a!), bits(b!)).toFixed(4), similarity);
  }
});

test("targets are spread out on every side", () => {
  for (const [table, column, deviation] of [
    [molecules, "logp", 1],
    [pairs, "similarity", 0.15],
  ] as const) {
    for (const side of ["train", "validation", "test"]) {
      const values = table.rows.filter((row) => row.split === side).map((row) => Number(row[column]));
      const mean = values.reduce((a, b) => a + b) / values.length;
      const found = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
      assert.ok(found > deviation, `${side} ${column}: ${found}`);
    }
  }
});

test("the split column is a fold that splitRows takes", () => {
  const fold = { column: "split", test: ["test"], validation: ["validation"] };
  const sides = splitRows(molecules, { by: "row", fold, test: 0, validation: 0 }, 0);
  assert.deepEqual([sides.train.length, sides.validation.length, sides.test.length], [2800, 400, 800]);
});

test("one seed, the same bytes; another seed, other blocks held out", async () => {
  const small = { seed: 3, molecules: 200, pairs: 100 };
  const bytes = async (name: string, seed: number) => {
    const { files } = await makeDemoData(join(folder, name), { ...small, seed });
    return [readFileSync(files.molecules, "utf8"), readFileSync(files.pairs, "utf8")];
  };
  const first = await bytes("b", 3);
  assert.deepEqual(await bytes("c", 3), first);
  assert.notDeepEqual(await bytes("d", 4), first);
});

test("what it cannot make is refused, and an abort stops it", async () => {
  const make = (changes: object) =>
    makeDemoData(join(folder, "no"), { seed: 1, molecules: 100, pairs: 50, ...changes });
  await assert.rejects(make({ molecules: 19 }), { code: "demo/size" });
  await assert.rejects(make({ molecules: Number.NaN }), { code: "demo/size" });
  await assert.rejects(make({ pairs: 30_000 }), { code: "demo/size" });
  await assert.rejects(make({ molecules: 2000, signal: AbortSignal.timeout(200) }), { name: "TimeoutError" });
});

test("made again it is the same, and a file with other text stays", async () => {
  const small = { seed: 3, molecules: 200, pairs: 100 };
  const { files } = await makeDemoData(join(folder, "again"), small);
  rmSync(files.molecules);
  await makeDemoData(join(folder, "again"), small);
  writeFileSync(files.molecules, "mine");
  await assert.rejects(makeDemoData(join(folder, "again"), small), {
    code: "run/folder",
    message: /molecules\.csv/,
  });
  assert.equal(readFileSync(files.molecules, "utf8"), "mine");
});
