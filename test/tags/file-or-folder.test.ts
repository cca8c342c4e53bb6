/** A folder where one tag is asked for, and a tag where a folder is: refused before anything is written. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { saveTag, tagFile } from "../../src/tags/file.ts";
import { pushTags } from "../../src/tags/hub.ts";
import { renameTag } from "../../src/tags/rename.ts";
import { domainTag } from "./sample.ts";

test("rename of a folder, push of a file", async (t) => {
  const parent = await mkdtemp(join(tmpdir(), "tagllm-tags-"));
  t.after(() => rm(parent, { recursive: true }));
  const folder = join(parent, "tags");
  await saveTag(tagFile(folder, "SMILES"), domainTag());

  await assert.rejects(renameTag(folder, "Molecule"), {
    code: "tag/missing",
    message: /tags is a folder, and one tag .*NAME\.safetensors/,
  });
  await assert.rejects(pushTags(tagFile(folder, "SMILES"), "lab/x"), {
    code: "tag/missing",
    message: /SMILES\.safetensors is a file/,
  });
  await assert.rejects(renameTag(join(folder, "Other.safetensors"), "X"), { code: "tag/missing" });
  assert.deepEqual(await readdir(parent), ["tags"]);
  assert.deepEqual(await readdir(folder), ["SMILES.safetensors"]);
});
