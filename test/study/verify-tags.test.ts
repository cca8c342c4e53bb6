/** Every way in which a tag can be unfit, made from two good ones; and that the good ones pass. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { type TagCheck, verifyTags } from "../../src/study/verify-tags.ts";
import { saveTag, tagFile } from "../../src/tags/file.ts";
import { openTags, requireTag } from "../../src/tags/library.ts";
import type { Tag } from "../../src/tags/tag.ts";

const golden = fileURLToPath(new URL("../golden/interop/tags", import.meta.url));
let [base, home] = [null as unknown as Base, ""];
let [smiles, logp] = [null as unknown as Tag, null as unknown as Tag];
before(async () => {
  base = await Base.load(defaultBase);
  home = await mkdtemp(join(tmpdir(), "tagllm-verify-"));
  const tags = await openTags(golden);
  [smiles, logp] = [requireTag(tags, "SMILES"), requireTag(tags, "LogP")];
});
after(async () => {
  await base.close();
  await rm(home, { recursive: true });
});

let count = 0;
async function library(...tags: Tag[]): Promise<string> {
  const folder = join(home, String(count++));
  for (const tag of tags) await saveTag(tagFile(folder, tag.name), tag);
  return folder;
}

/** The checks of one tag by name. */
async function checksOf(folder: string, name: string, anyBase = false): Promise<Record<string, TagCheck>> {
  const [verified] = await verifyTags(tagFile(folder, name), base, { anyBase });
  assert.equal(
    verified!.ok,
    verified!.checks.every(({ state }) => state !== "wrong"),
  );
  return Object.fromEntries(verified!.checks.map((check) => [check.check, check]));
}

const states = (checks: Record<string, TagCheck>) =>
  Object.fromEntries(Object.values(checks).map(({ check, state }) => [check, state]));

test("good tags pass, and what they do is measured", async () => {
  const tags = await verifyTags(golden, base);
  assert.deepEqual(
    tags.map(({ tag, ok }) => [tag, ok]),
    [
      ["LogP", true],
      ["SMILES", true],
    ],
  );
  const found = Object.fromEntries(tags[0]!.checks.map((check) => [check.check, check.found]));
  assert.match(
    found.answers!,
    /^logp through a head; in the target's unit; no interval for logp; cannot tell/,
  );
  assert.match(found.companions!, /^SMILES: there/);
  const [, percent, step] = /by ([\d.]+) % of its norm, .* by ([\d.e-]+) spreads/.exec(found.difference!)!;
  assert.ok(Number(percent) > 1 && Number(step) > 0.01, found.difference);
});

test("a damaged file", async () => {
  const folder = await library(smiles);
  const bytes = await readFile(tagFile(folder, "SMILES"));
  await writeFile(tagFile(folder, "SMILES"), bytes.subarray(0, -3));
  const checks = await checksOf(folder, "SMILES");
  assert.deepEqual(states(checks), { file: "wrong" });
  assert.match(checks.file!.found, /^tag\/damaged: /);
  await assert.rejects(verifyTags(join(home, "nothing"), base), { code: "tag/missing" });
});

test("companions that are gone or changed", async () => {
  const gone = await checksOf(await library(logp), "LogP");
  assert.deepEqual([gone.companions!.state, gone.difference!.state], ["wrong", "open"]);
  assert.match(gone.companions!.found, /^tag\/missing: /);
  const other = { ...smiles, vectors: smiles.vectors.map((v) => v * 1.01) };
  const changed = await checksOf(await library(other, logp), "LogP");
  assert.match(changed.companions!.found, /^tag\/changed: .*"SMILES"/);
});

test("another base is wrong when it was meant, and left open when it was only at hand", async () => {
  const folder = await library({ ...smiles, base: { ...smiles.base, weights: "f".repeat(64) } });
  const meant = await checksOf(folder, "SMILES");
  assert.deepEqual([meant.base!.state, meant.difference!.state], ["wrong", "open"]);
  const atHand = await checksOf(folder, "SMILES", true);
  assert.deepEqual([atHand.base!.state, atHand.difference!.state], ["open", "open"]);
  assert.match(atHand.base!.found, /belongs to "polyglot-5m" \([0-9a-f]{16}\), which was not given/);
});

test("promises that are not kept", async () => {
  const head = logp.head!;
  const unfit: [Partial<Tag>, check: string, found: RegExp][] = [
    [{ template: null }, "answers", /has no template/],
    [{ head: null, scaling: null, outputs: [] }, "answers", /does not say what it answers/],
    [{ template: "<SMILES> {smiles}" }, "answers", /does not hold <LogP>/],
    [{ head: { ...head, weight: new Float32Array(256) } }, "answers", /its head is zero/],
    [{ template: "<SMILES> {smiles} <LogP> {other}" }, "difference", /^prompts\/function-tag/],
    [{ template: "<LogP <SMILES> {smiles} <LogP>" }, "answers", /^prompts\//],
    [
      { head: { ...head, weight: head.weight.map((v) => v * 1e-7) } },
      "difference",
      /makes no difference to its answer/,
    ],
  ];
  for (const [change, check, found] of unfit) {
    const checks = await checksOf(await library(smiles, { ...logp, ...change }), "LogP");
    assert.equal(checks[check]?.state, "wrong", `${check}: ${JSON.stringify(checks)}`);
    assert.match(checks[check]!.found, found);
  }
});

test("a tag that changes nothing", async () => {
  // Where all that is attended to is equal, so is what comes of it, however much of it there is.
  const ids = base.tokenizer.encode(" the", { atStart: true });
  assert.equal(ids.length, 1);
  const vectors = (await base.embeddingRows()).slice(ids[0]! * 256, (ids[0]! + 1) * 256);
  const asked = { template: " the<Copy>", usesTags: [], bos: false, head: null, scaling: null };
  const copy: Tag = { ...logp, ...asked, name: "Copy", length: 1, vectors };
  const { difference } = await checksOf(await library(copy), "Copy");
  assert.deepEqual(
    [difference!.state, difference!.found],
    ["wrong", "it makes no difference: with it the hidden state is another by 0.00 % of its norm"],
  );
  const other = await checksOf(await library({ ...copy, vectors: logp.vectors.slice(0, 256) }), "Copy");
  assert.equal(other.difference!.state, "ok");
});
