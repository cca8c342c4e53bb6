// Makes phrases.tsv from phrases8: names and short phrases in eight languages, and whether polyglot-5m has `seen` them
// in pretraining. Of those that it has not seen every fourth is on the `side` test and every fourth on validation; the
// others are on train, as are all that it has seen. Rows that are nearly the same in all languages, proper names
// mostly, are left out: there is nothing to translate. So are rows that have a text in common with one before them: no
// held-out text is in training.
//
//   node examples/translate/prepare.mjs ../shared/data/phrases8 models/polyglot-5m/seen.json examples/translate/phrases.tsv
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, seenFile, out] = process.argv.slice(2);
if (!folder || !seenFile || !out) {
  console.error("usage: node prepare.mjs PHRASES8_FOLDER SEEN.json OUT.tsv");
  process.exit(2);
}
const { seen } = JSON.parse(readFileSync(seenFile, "utf8"));
const unseen = new Set(seen.find(({ set }) => set === "phrases8").unseenKeys);

const languages = ["en", "fr", "de", "es", "it", "pt", "ru", "el"];
const rows = ["cldr.tsv", "osm_presets.tsv"].flatMap((name) => {
  const [head, ...lines] = readFileSync(join(folder, name), "utf8").trimEnd().split("\n");
  const columns = head.split("\t");
  return lines.map((line) => {
    const cells = line.split("\t");
    const of = (column) => cells[columns.indexOf(column)];
    return { key: of("key"), texts: languages.map(of) };
  });
});
const wanted = rows.filter(
  ({ texts }) => !texts.some((t) => t.includes('"')) && new Set(texts.map((t) => t.toLowerCase())).size >= 6,
);
const held = wanted.filter(({ key }) => unseen.has(key));
const taken = new Set();
const lines = [["side", "seen", "key", ...languages].join("\t")];
const counts = { test: 0, validation: 0, train: 0 };
for (const [side, own] of [
  ["test", held.filter((_, i) => i % 4 === 0)],
  ["validation", held.filter((_, i) => i % 4 === 1)],
  ["train", [...held.filter((_, i) => i % 4 > 1), ...wanted.filter(({ key }) => !unseen.has(key))]],
]) {
  for (const { key, texts } of own) {
    const known = texts.map((text, i) => `${languages[i]} ${text.toLowerCase()}`);
    if (known.some((text) => taken.has(text))) continue;
    for (const text of known) taken.add(text);
    counts[side]++;
    lines.push([side, unseen.has(key) ? "no" : "yes", key, ...texts].join("\t"));
  }
}
writeFileSync(out, `${lines.join("\n")}\n`);
console.error(`${counts.train} rows to train on, ${counts.validation} to validate, ${counts.test} to test`);
