// Makes pairs.csv from the raw DAVIS files: the 40 shortest distinct proteins x all 68 drugs, or all 442 proteins.
// `fold` is the published test fold (pairs); `sequence_fold` holds proteins out as a whole.
//
//   node examples/affinity/prepare.mjs ../shared/data/davis examples/affinity/pairs.csv
//   node examples/affinity/prepare.mjs ../shared/data/davis examples/davis/pairs.csv all
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, out, which] = process.argv.slice(2);
if (!folder || !out || (which !== undefined && which !== "all")) {
  console.error("usage: node prepare.mjs DAVIS_FOLDER OUT.csv [all]");
  process.exit(2);
}
const read = (name) => readFileSync(join(folder, name), "utf8");
const drugs = Object.entries(JSON.parse(read("ligands_can.txt")));
const proteins = Object.entries(JSON.parse(read("proteins.txt")));
const kd = read("drug-target_interaction_affinities_Kd__Davis_et_al.2011v1.txt")
  .trim()
  .split("\n")
  .map((line) => line.trim().split(/\s+/).map(Number));
const test = new Set(JSON.parse(read("test_fold_setting1.txt")));

const columns = proteins.map(([name, sequence], column) => ({ name, sequence, column }));
const distinct = new Map(columns.map((p) => [p.sequence, p]).reverse());
const shortest = [...distinct.values()].sort(
  (a, b) => a.sequence.length - b.sequence.length || a.column - b.column,
);
const chosen = which === "all" ? columns : shortest.slice(0, 40);
// Every fifth protein is held out whole in the second split; every tenth after it validates.
const sequenceFold = (k) => (k % 5 === 4 ? "test" : k % 10 === 3 ? "validation" : "train");

const rows = ["drug,protein,smiles,sequence,pkd,fold,sequence_fold"];
drugs.forEach(([drug, smiles], i) => {
  chosen.forEach(({ name, sequence, column }, k) => {
    const fold = test.has(i * proteins.length + column) ? "test" : "train";
    const pkd = 9 - Math.log10(kd[i][column]);
    rows.push([drug, name, smiles, sequence, pkd.toFixed(4), fold, sequenceFold(k)].join(","));
  });
});
writeFileSync(out, `${rows.join("\n")}\n`);
const lengths = chosen.map((p) => p.sequence.length).sort((a, b) => a - b);
console.error(
  `${rows.length - 1} pairs: ${drugs.length} drugs x ${chosen.length} proteins of ${lengths[0]} to ${lengths.at(-1)} residues`,
);
