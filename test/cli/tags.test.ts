/** The commands of `tags`: what they print, what --json says, and what they leave on the disk. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { defaultBase } from "../../src/models/default-base.ts";
import { saveTag, tagFile } from "../../src/tags/file.ts";
import { type Tag, tagDigest } from "../../src/tags/tag.ts";
import { domainTag, functionTag } from "../tags/sample.ts";
import { run, temporaryFolder } from "./command.ts";

async function library(folder: string): Promise<string> {
  const smiles = domainTag();
  const usesTags = [{ name: "SMILES", sha256: tagDigest(smiles) }];
  const toxic = functionTag({
    name: "Toxic",
    outputs: ["toxic"],
    classes: ["no", "yes"],
    scaling: null,
    conformal: [0.25],
    template: "<SMILES> {smiles} <Toxic>",
    usesTags,
    outliers: { seed: 1, threshold: 2, mean: new Float32Array(2), whitening: new Float32Array(4) },
  });
  const tags: Tag[] = [smiles, functionTag({ usesTags }), toxic];
  for (const tag of tags) await saveTag(tagFile(join(folder, "tags"), tag.name), tag);
  return join(folder, "tags");
}

test("list and show say what kind of answer a tag gives", async (t) => {
  const tags = await library(temporaryFolder(t));
  const list = await run(["tags", "list", tags]);
  assert.match(list.stdout, /^QED +function +3 +qed, logp \(numbers\) +SMILES/m);
  assert.match(list.stdout, /^Toxic +function +3 +toxic \(one of no, yes\) +SMILES/m);
  const show = await run(["tags", "show", tagFile(tags, "Toxic")]);
  assert.match(show.stdout, /^answers +toxic \(one of no, yes\)$/m);
  assert.match(show.stdout, /^90 % of toxic +all classes with a probability of at least 0\.7500$/m);
  assert.match(show.stdout, /^unlike rows +further than 2\.000$/m);
  const json = JSON.parse((await run(["tags", "show", tagFile(tags, "Toxic"), "--json"])).stdout);
  assert.deepEqual(json.outliers, { seed: 1, threshold: 2 });
  assert.deepEqual(json.classes, ["no", "yes"]);
});

test("rename, copy and rm", async (t) => {
  const folder = temporaryFolder(t);
  const tags = await library(folder);
  const renamed = await run(["tags", "rename", tagFile(tags, "SMILES"), "Molecule"]);
  assert.equal(renamed.code, 0, renamed.stderr);
  assert.match(
    renamed.stdout,
    /^SMILES is now Molecule: .*Molecule\.safetensors\nThese ask for Molecule now: QED, Toxic\.\n$/,
  );

  const copied = await run(["tags", "copy", tagFile(tags, "QED"), join(folder, "mine"), "--json"]);
  assert.deepEqual(JSON.parse(copied.stdout), {
    folder: join(folder, "mine"),
    copied: ["Molecule", "QED"],
    kept: [],
  });

  // The first one twice, spelt otherwise: it is one file.
  const words = ["tags", "rm", tagFile(tags, "Molecule"), tagFile(tags, "Toxic")];
  words.push(`${tags}/./Molecule.safetensors`);
  const asked = await run(words);
  assert.equal(asked.code, 2);
  assert.match(
    asked.stderr,
    /^error\[usage\]: This would remove .*Molecule\.safetensors, .*Toxic\.safetensors\. QED \(asks for Molecule\) would no longer work\.\n {2}Say --yes to do it\.\n$/,
  );
  assert.ok(existsSync(tagFile(tags, "Molecule")));
  const removed = await run([...words, "--yes"]);
  assert.equal(removed.code, 0, removed.stderr);
  assert.match(
    removed.stdout,
    /^Removed: .*\nQED \(asks for Molecule\) no longer works: a tag it asks for is gone\.\n$/,
  );
  assert.ok(!existsSync(tagFile(tags, "Molecule")) && existsSync(tagFile(tags, "QED")));
});

test("verify ends with 1 and says what is wrong", async (t) => {
  const tags = await library(temporaryFolder(t));
  const { code, stdout } = await run(["tags", "verify", tags, "--base", defaultBase]);
  assert.equal(code, 1);
  assert.match(stdout, /^ {2}ok companions +SMILES: there/m);
  assert.match(stdout, /^ {2}-- base +tag\/wrong-base: The tag "SMILES" was trained on the base "tiny"/m);
  assert.match(stdout, /\n3 of 3 are not in order\.\n$/);
  const open = await run(["tags", "verify", tagFile(tags, "SMILES"), "--json"]);
  assert.equal(open.code, 0);
  const { ok, tags: verified } = JSON.parse(open.stdout);
  assert.equal(ok, true);
  assert.equal(verified[0].checks.find((c: { check: string }) => c.check === "base").state, "open");
});
