/** A stranger's text in tables and properties: nothing of it reaches the terminal but as characters. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { listFolder, showTag } from "../../src/cli/commands/tags.ts";
import { printable, properties, table } from "../../src/cli/table.ts";
import { saveTag, tagFile } from "../../src/tags/file.ts";
import { functionTag, sampleBase } from "../tags/sample.ts";

const steers = /[^\n\P{Cc}]|[\u2028\u2029\u202e]/u;

test("control characters, line breaks and turns of direction are escaped, other text is as it was", () => {
  const strange = printable("a\u001b[2Jb\n\r\t\u0007\u009b\u007f\u2028\u202ec");
  assert.equal(strange, "a\\u001b[2Jb\\n\\r\\t\\u0007\\u009b\\u007f\\u2028\\u202ec");
  for (const text of ["é😀👩‍🔬", 'C\\C="N"', "الماء", "a  b"]) assert.equal(printable(text), text);
});

test("cells, titles and values", () => {
  const cells = table([{ title: "a\u001b[1m" }, { title: "b" }], [["x\ny", "1"]]);
  assert.equal(cells, "a\\u001b[1m  b\nx\\ny        1");
  assert.equal(properties([["a\n", "x\u001b[1m\ny"]]), "a\\n  x\\u001b[1m\ny");
});

test("a table of many rows", () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => [String(i)]);
  assert.equal(table([{ title: "n" }], rows).split("\n").length, 200_001);
});

test("tags list and tags show escape what a tag file says", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tagllm-tags-"));
  t.after(() => rm(folder, { recursive: true }));
  const evil = "x\u001b]0;owned\u0007\nforged  line\u202e";
  const file = tagFile(folder, "QED");
  const tag = functionTag({
    base: { ...sampleBase, name: evil },
    provenance: { note: evil, list: [evil], [`key${evil}`]: 1 },
    head: { weight: new Float32Array(8), bias: null, outputs: 2 },
    outputs: ["qed"],
    template: "<SMILES> {smiles} <QED> {qed}",
    classes: ["no", evil],
    scaling: null,
  });
  await saveTag(file, tag);
  for (const { text } of [await listFolder(folder), await showTag(file)]) {
    assert.doesNotMatch(text, steers);
    assert.doesNotMatch(text, /^forged/m);
    assert.match(text, /\\u001b\]0;owned\\u0007\\nforged/);
  }
});
