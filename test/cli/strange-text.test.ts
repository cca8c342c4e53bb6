/** A stranger's text in tables and properties: nothing of it reaches the terminal but as characters. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import picocolors from "picocolors";
import { listFolder, showTag } from "../../src/cli/commands/tags.ts";
import { Progress } from "../../src/cli/progress.ts";
import { failureText } from "../../src/cli/result.ts";
import { printable, properties, table } from "../../src/cli/table.ts";
import { saveTag, tagFile } from "../../src/tags/file.ts";
import { functionTag, sampleBase } from "../tags/sample.ts";

const steers = /[^\n\P{Cc}]|[\u2028\u2029\u202e]/u;

test("control characters, line breaks and turns of direction are escaped, other text is as it was", () => {
  const strange = printable("a\u001b[2Jb\n\r\t\u0007\u009b\u007f\u2028\u202a\u202e\u2066\u2069c");
  assert.equal(strange, "a\\u001b[2Jb\\n\\r\\t\\u0007\\u009b\\u007f\\u2028\\u202a\\u202e\\u2066\\u2069c");
  for (const text of ["é😀👩‍🔬", 'C\\C="N"', "الماء", "a  b"]) assert.equal(printable(text), text);
});

test("cells, titles and values", () => {
  const cells = table([{ title: "a\u001b[1m" }, { title: "b" }], [["x\ny", "1"]]);
  assert.equal(cells, "a\\u001b[1m  b\nx\\ny        1");
  assert.equal(properties([["a\n", "x\u001b[1m\ny"]]), "a\\n  x\\u001b[1m\ny");
});

test("errors and progress", () => {
  const evil = "x\u001b[2J\u009b1m\u202e";
  const shown = "x\\u001b[2J\\u009b1m\\u202e";
  const failure = { code: "prompts/chat", problem: `${evil}\n${evil}`, cure: `${evil}\n${evil}` };
  assert.equal(
    failureText(failure, picocolors.createColors(false)),
    `error[prompts/chat]: ${shown}\n${shown}\n  ${shown}\n  ${shown}\n`,
  );
  for (const isTTY of [true, false]) {
    let [written, now] = ["", 0];
    const write = (text: string) => {
      written += text;
    };
    const progress = new Progress({ write, isTTY, columns: 80 }, () => now);
    now = 30_000;
    progress.update(`${evil}\n`);
    progress.note(`${evil}\n${evil}`);
    const rewritten = isTTY ? `\r\u001b[2K${shown}\\n\r\u001b[2K` : `${shown}\\n\n`;
    assert.equal(written, `${rewritten}${shown}\n${shown}\n`);
  }
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
