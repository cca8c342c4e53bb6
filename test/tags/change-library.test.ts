/** Renaming, copying and removing: afterwards, and after a kill at any moment, every tag computes what it did. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { copyTag, planRemoval, removeTags } from "../../src/tags/change-library.ts";
import { loadTag, saveTag, tagFile } from "../../src/tags/file.ts";
import { openTags, requireTag, requireUsedTags, tagsAskedFor } from "../../src/tags/library.ts";
import { renameTag } from "../../src/tags/rename.ts";
import { type Tag, tagDigest } from "../../src/tags/tag.ts";
import { domainTag, functionTag } from "./sample.ts";

let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), "tagllm-library-"));
});
after(() => rm(home, { recursive: true }));

const bound = (tag: Tag) => ({ name: tag.name, sha256: tagDigest(tag) });
const smiles = domainTag();
const protein = domainTag({ name: "Protein", vectors: smiles.vectors.map((v) => v + 1) });
const qed = functionTag({ usesTags: [bound(smiles)] });
const affinity = functionTag({
  name: "Affinity",
  template: "\\<SMILES\\> <SMILES> {a}<SMILES> {SMILES} SMILES with <Protein> {p} <Affinity>",
  usesTags: [bound(protein), bound(smiles)],
});
const composed = functionTag({ name: "Composed", template: "<SMILES> {x} <Composed>", usesTags: [] });
const stranger = functionTag({ name: "Stranger", usesTags: [{ name: "SMILES", sha256: "d".repeat(64) }] });

let count = 0;
async function library(...tags: Tag[]): Promise<string> {
  const folder = join(home, `library-${count++}`);
  for (const tag of tags) await saveTag(tagFile(folder, tag.name), tag);
  return folder;
}

/** The vectors that each function tag reads in its prompt, in order; names do not count. */
async function readings(folder: string): Promise<Record<string, number[][]>> {
  const tags = await openTags(folder);
  const functions = [...tags.values()].filter((tag) => tag.kind === "function" && tag.name !== "Stranger");
  return Object.fromEntries(
    functions.map((tag) => {
      requireUsedTags(tag, tags);
      const asked = [...tagsAskedFor(tag)].map((name) => [...requireTag(tags, name).vectors]);
      return [tag.name, [...asked.sort(), [...tag.vectors]]];
    }),
  );
}

const contents = async (folder: string): Promise<Record<string, string>> => {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".safetensors")).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, (await readFile(join(folder, name))).toString("latin1")]),
    ),
  );
};

test("renaming a domain tag renames it where function tags ask for it, and nowhere else", async () => {
  const folder = await library(smiles, protein, qed, affinity, composed, stranger);
  const before = await readings(folder);
  const renamed = await renameTag(tagFile(folder, "SMILES"), "Molecule");
  assert.deepEqual([...renamed.rewritten].sort(), ["Affinity", "Composed", "QED"]);
  assert.deepEqual(renamed.left, ["Stranger"]);
  assert.deepEqual(await readings(folder), before);

  const tags = await openTags(folder);
  assert.deepEqual([...tags.keys()], ["Affinity", "Composed", "Molecule", "Protein", "QED", "Stranger"]);
  const molecule = tags.get("Molecule") as Tag;
  assert.deepEqual(molecule, {
    ...smiles,
    name: "Molecule",
    provenance: { ...smiles.provenance, renamedFrom: "SMILES" },
  });
  assert.deepEqual(tags.get("Affinity"), {
    ...affinity,
    template: "\\<SMILES\\> <Molecule> {a}<Molecule> {SMILES} SMILES with <Protein> {p} <Affinity>",
    usesTags: [bound(protein), bound(molecule)],
  });
  assert.deepEqual(tags.get("Stranger"), stranger);
  assert.deepEqual(tags.get("Protein"), protein);
});

test("a function tag is renamed in its own template; and back again it has its digest again", async () => {
  const folder = await library(smiles, qed);
  await renameTag(tagFile(folder, "QED"), "Drug-likeness");
  const tag = await loadTag(tagFile(folder, "Drug-likeness"));
  assert.match(tag.template as string, /\\< é 😀 is <Drug-likeness> \{qed\}/);
  await renameTag(tagFile(folder, "Drug-likeness"), "QED");
  await renameTag(tagFile(folder, "SMILES"), "X");
  await renameTag(tagFile(folder, "X"), "SMILES");
  assert.equal(tagDigest(await loadTag(tagFile(folder, "QED"))), tagDigest(qed));
});

test("what cannot be renamed leaves the library as it was", async () => {
  const folder = await library(
    smiles,
    protein,
    qed,
    functionTag({ name: "Asks", template: "<Gone> <Asks>" }),
  );
  const before = await contents(folder);
  const attempts: [name: string, code: string, message: RegExp][] = [
    ["Protein", "tag/duplicate", /already has a tag "Protein"/],
    ["protein", "tag/duplicate", /already has a tag "Protein", which some file systems cannot tell apart/],
    ["smiles", "tag/duplicate", /"SMILES", which some file systems/],
    ["SMILES", "tag/duplicate", /is called "SMILES" already/],
    ["Gone", "tag/duplicate", /"Asks" asks for a tag "Gone" that .* does not have/],
    ["../out", "tag/name", /"\.\.\/out"/],
    ["", "tag/name", /""/],
  ];
  for (const [name, code, message] of attempts)
    await assert.rejects(renameTag(tagFile(folder, "SMILES"), name), { code, message });
  await assert.rejects(renameTag(tagFile(folder, "Nothing"), "Else"), { code: "tag/missing" });
  assert.deepEqual(await contents(folder), before);
  await writeFile(tagFile(folder, "Broken"), "half");
  await assert.rejects(renameTag(tagFile(folder, "SMILES"), "Molecule"), {
    code: "tag/damaged",
    message: /Broken/,
  });
});

for (const inside of [1, 2, 3].flatMap((n) =>
  ["half", "before", "after"].map((when) => `safetensors:${when}:${n}`),
)) {
  test(`a rename killed at ${inside} has changed nothing that a tag computes, and is ended by the same call`, async () => {
    const folder = await library(smiles, protein, qed, affinity);
    const before = await readings(folder);
    assert.equal(await killedRename(folder, inside), "SIGKILL");
    assert.deepEqual(await readings(folder), before);
    await renameTag(tagFile(folder, "SMILES"), "Molecule");
    assert.deepEqual(await readings(folder), before);
    const undisturbed = await library(smiles, protein, qed, affinity);
    await renameTag(tagFile(undisturbed, "SMILES"), "Molecule");
    assert.deepEqual(await contents(folder), await contents(undisturbed));
  });
}

/** The signal that ended it. */
function killedRename(folder: string, inside: string): Promise<NodeJS.Signals | null> {
  const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
  const words = ["--import", "tsx", "--import", path("test/support/killer.mjs"), path("src/cli/main.ts")];
  const command = ["tags", "rename", tagFile(folder, "SMILES"), "Molecule"];
  return new Promise((resolve) => {
    const env = { ...process.env, KILL_IN: inside };
    execFile(process.execPath, [...words, ...command], { cwd: path("."), env }, (error) =>
      resolve(error?.signal ?? null),
    );
  });
}

test("a function tag is copied with what it needs, bit for bit; what is there the same stays", async () => {
  const from = await library(smiles, protein, qed, affinity);
  const to = join(home, "new", "deeper");
  const first = await copyTag(tagFile(from, "QED"), to);
  assert.deepEqual([first.copied, first.kept], [["SMILES", "QED"], []]);
  const second = await copyTag(tagFile(from, "Affinity"), to);
  assert.deepEqual([second.copied, second.kept], [["Protein", "Affinity"], ["SMILES"]]);
  assert.deepEqual(await contents(to), await contents(from));
  assert.deepEqual((await copyTag(tagFile(from, "Affinity"), from)).copied, []);
});

test("copying never replaces, and refuses a library that would not work", async () => {
  const from = await library(smiles, qed, composed);
  const other = await library(domainTag({ vectors: smiles.vectors.map((v) => -v) }));
  const before = await contents(other);
  for (const name of ["QED", "Composed", "SMILES"])
    await assert.rejects(copyTag(tagFile(from, name), other), {
      code: "tag/duplicate",
      message: /has another tag called "SMILES"/,
    });
  assert.deepEqual(await contents(other), before);

  const alone = await library(qed, composed);
  await assert.rejects(copyTag(tagFile(alone, "QED"), join(home, "nowhere")), {
    code: "tag/missing",
    message: /"QED" needs the tag "SMILES"/,
  });
  const there = await library(smiles);
  assert.deepEqual((await copyTag(tagFile(alone, "QED"), there)).copied, ["QED"]);
  // Nothing says that the SMILES that is there is the one meant.
  await assert.rejects(copyTag(tagFile(alone, "Composed"), there), { code: "tag/missing" });

  const changed = await library(domainTag({ vectors: smiles.vectors.map((v) => -v) }), qed);
  await assert.rejects(copyTag(tagFile(changed, "QED"), join(home, "nowhere")), { code: "tag/changed" });
  assert.ok(!(await readdir(home)).includes("nowhere"));
});

test("removing names the function tags that lose a domain tag, those that go along excepted", async () => {
  const folder = await library(smiles, protein, qed, affinity);
  await writeFile(tagFile(folder, "Broken"), "half");
  const plan = await planRemoval(["SMILES", "QED", "Broken"].map((name) => tagFile(folder, name)));
  assert.deepEqual(
    plan.map(({ tag, neededBy }) => [tag, neededBy]),
    [
      ["SMILES", ["Affinity"]],
      ["QED", []],
      [null, []],
    ],
  );
  await removeTags(plan);
  assert.deepEqual((await readdir(folder)).sort(), ["Affinity.safetensors", "Protein.safetensors"]);
  const card = join(folder, "README.md");
  await writeFile(card, "a card");
  await assert.rejects(planRemoval([card]), { code: "tag/not-a-tag" });
  await assert.rejects(planRemoval([tagFile(folder, "SMILES")]), { code: "tag/missing" });
});
