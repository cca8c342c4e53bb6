/** Going on from stored tags: nothing is lost on the way in, and enrichment moves a domain tag and nothing else does. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy, type StudyEvent } from "../../src/study/run.ts";
import { openTags, requireTag } from "../../src/tags/library.ts";
import { type Tag, tagDigest } from "../../src/tags/tag.ts";
import { trainingFiles } from "../../src/tags/training-files.ts";

let base: Base;
let folder: string;
before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "tagllm-warm-"));
  const rows = Array.from({ length: 90 }, (_, i) => {
    const text = Array.from({ length: 4 + (i % 7) }, (_, k) => "CNO"[(i * (k + 3) + ((i * i) % 5)) % 3]).join(
      "",
    );
    return `${text},${[...text].filter((c) => c === "O").length}`;
  });
  await writeFile(join(folder, "molecules.csv"), `smiles,oxygens\n${rows.join("\n")}\n`);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

interface Ran {
  readonly tags: ReadonlyMap<string, Tag>;
  /** Validation losses in order, by stage. */
  readonly losses: Readonly<Record<string, { loss: number; best: boolean }[]>>;
}

/** Runs a study as the run folder `name`. */
async function run(name: string, study: string): Promise<Ran> {
  await writeFile(join(folder, `${name}.yaml`), study);
  const losses: Record<string, { loss: number; best: boolean }[]> = {};
  const onEvent = (e: StudyEvent) => {
    if (e.kind !== "validation") return;
    losses[e.stage] ??= [];
    losses[e.stage]!.push({ loss: e.loss, best: e.best });
  };
  const out = join(folder, "runs", name);
  await runStudy(await prepareStudy(await loadStudy(join(folder, `${name}.yaml`)), base), { out, onEvent });
  return { tags: await openTags(join(out, "tags")), losses };
}

const bestOf = (losses: { loss: number; best: boolean }[]) => losses.filter(({ best }) => best).at(-1)!.loss;

const data = "data: { molecules: { file: molecules.csv, split: { test: 15, validation: 15 } } }";
const first = `name: first
${data}
tags:
  SMILES: { kind: domain, length: 3 }
  Oxygens: { kind: function, answer: number, length: 2, init: { noise: 0.3 } }
stages:
  - { name: domain, train: [SMILES], steps: 6, batch: 4, tasks: [{ data: molecules, template: "<SMILES> {smiles}" }] }
  - name: oxygens
    train: [Oxygens]
    steps: 6
    batch: 8
    tasks: [{ data: molecules, template: "<SMILES> {smiles} <Oxygens>", target: oxygens }]
`;
/** The study of docs/studies.md, at a tenth of its size. */
async function documented(): Promise<string> {
  const page = await readFile(fileURLToPath(new URL("../../docs/studies.md", import.meta.url)), "utf8");
  const study = /```yaml\n(name: enriched\n[\s\S]*?)```/.exec(page)![1]!;
  return study
    .replaceAll(/length: \d+/g, "length: 3")
    .replaceAll(/steps: \d+/g, "steps: 6")
    .replace(/\n {2}molecules: .*\n/, `\n  ${data.slice(8, -2)}\n`);
}

let from: Promise<Ran> | null = null;
const stored = (): Promise<Ran> => {
  from ??= run("first", first);
  return from;
};

test("the first validation of a domain tag that goes on is the loss it was stored with, to the bit", async () => {
  const { tags, losses } = await stored();
  const study = first
    .replace("name: first", "name: again")
    .replace("length: 3 }", "length: 3, from: runs/first/tags/SMILES.safetensors }")
    .replace("steps: 6", "steps: 2")
    .replace(/\n {2}Oxygens:.*/, "")
    .replace(/\n {2}- name: oxygens[\s\S]*/, "\n");
  const again = await run("again", study);
  assert.equal(again.losses.domain![0]!.loss, bestOf(losses.domain!));
  assert.notEqual(again.losses.domain![0]!.loss, losses.domain![0]!.loss);
  assert.deepEqual(requireTag(tags, "SMILES").base, base.fingerprint);
});

test("a tag that goes on with other data says what it has learned before", async () => {
  const { tags } = await stored();
  const rows = await readFile(join(folder, "molecules.csv"), "utf8");
  await writeFile(join(folder, "more.csv"), rows.replace(/\n[^\n]+\n$/, "\n"));
  const study = first
    .replace("name: first", "name: more")
    .replace("file: molecules.csv", "file: more.csv")
    .replace("length: 3 }", "length: 3, from: runs/first/tags/SMILES.safetensors }")
    .replace("steps: 6", "steps: 1");
  const more = await run("more", study);
  const filesOf = (tag: Tag) => trainingFiles(tag.provenance).map(({ file }) => basename(file));
  assert.deepEqual(filesOf(requireTag(tags, "SMILES")), ["molecules.csv"]);
  assert.deepEqual(filesOf(requireTag(more.tags, "SMILES")), ["more.csv", "molecules.csv"]);
  assert.deepEqual(filesOf(requireTag(more.tags, "Oxygens")), ["more.csv", "molecules.csv"], "by its SMILES");
  const strange = [null, 1, "x", { file: 1, sha256: "a" }, { file: "a" }, { file: "a", sha256: "b" }];
  assert.deepEqual(trainingFiles({ data: strange }), [{ file: "a", sha256: "b" }]);
  assert.deepEqual(trainingFiles({ data: "x" }), []);
});

test("a tag names the files of its own tasks, and those of the tags in its prompts", async () => {
  const rows = await readFile(join(folder, "molecules.csv"), "utf8");
  await writeFile(join(folder, "other.csv"), rows.replace(/\n[^\n]+\n[^\n]+\n$/, "\n"));
  const study = first
    .replace("name: first", "name: apart")
    .replace("molecules: {", "other: { file: other.csv, split: { test: 15, validation: 15 } }, molecules: {")
    .replace("tasks: [{ data: molecules", "tasks: [{ data: other")
    .replaceAll("steps: 6", "steps: 1");
  const { tags } = await run("apart", study);
  const filesOf = (name: string) =>
    trainingFiles(requireTag(tags, name).provenance).map(({ file }) => basename(file));
  assert.deepEqual(filesOf("SMILES"), ["other.csv"]);
  assert.deepEqual(filesOf("Oxygens"), ["molecules.csv", "other.csv"]);
});

/** The second stage of `first`, with its domain tag from the file. */
const second = (name: string): string =>
  first
    .replace("name: first", `name: ${name}`)
    .replace("length: 3 }", "length: 3, from: runs/first/tags/SMILES.safetensors }")
    .replace(/\n {2}- \{ name: domain.*/, "")
    .replace("steps: 6", "steps: 2");

test("a domain tag that comes from a file and is not trained lies beside what was trained on it", async () => {
  const { tags } = await stored();
  const beside = await run("beside", second("beside"));
  const digest = tagDigest(requireTag(tags, "SMILES"));
  assert.equal(tagDigest(requireTag(beside.tags, "SMILES")), digest);
  assert.deepEqual(requireTag(beside.tags, "Oxygens").usesTags, [{ name: "SMILES", sha256: digest }]);
});

test("what a study says of a tag must be what its file says, before anything is written", async () => {
  await stored();
  const wrong = {
    "length: 3, from": ["length: 4, from", /has length: 4, but .* with length: 3/],
    "kind: domain": ["kind: domain, splitCharacters: true", /has splitCharacters: true, but .*: false/],
    "domain, length": ["domain, isolate: false, length", /has isolate: false, but .* with isolate: true/],
  } as const;
  for (const [right, [instead, message]] of Object.entries(wrong))
    await assert.rejects(run("wrong", second("wrong").replace(right, instead)), {
      code: "study/invalid",
      message,
    });
  await run("wrong", second("wrong")); // the folder is not bound to a study that never began
});

test("a function tag with a head goes on with as many numbers", async () => {
  await stored();
  const study = second("wider")
    .replace("init: { noise: 0.3 }", "from: runs/first/tags/Oxygens.safetensors")
    .replace("target: oxygens", "target: [oxygens, size]")
    .replace(
      "file: molecules.csv",
      "file: molecules.csv, select: { smiles: smiles, oxygens: oxygens, size: length(smiles) }",
    );
  await assert.rejects(run("wider", study), {
    code: "study/invalid",
    message: /"Oxygens" answers in 1 number\(s\), and stage "oxygens" asks it for 2 number\(s\)/,
  });
});

/** A study that is refused before anything runs. */
async function refused(name: string, study: string, error: { code: string; message: RegExp }): Promise<void> {
  await writeFile(join(folder, `${name}.yaml`), study);
  await assert.rejects(prepareStudy(await loadStudy(join(folder, `${name}.yaml`)), base), error);
}

test("a function tag with a head goes on with what it answers, also in a later stage", async () => {
  await stored();
  const study = first
    .replace("init: { noise: 0.3 }", "from: runs/first/tags/Oxygens.safetensors")
    .replace("target: oxygens", "target: [oxygens, size]")
    .replace(
      "file: molecules.csv",
      "file: molecules.csv, select: { smiles: smiles, oxygens: oxygens, size: length(smiles) }",
    );
  await refused("later", study, {
    code: "study/invalid",
    message: /"Oxygens" answers in 1 number\(s\), and stage "oxygens" asks it for 2 number\(s\)/,
  });
  await refused(
    "told",
    study.replace("answer: number", "answer: class").replace("[oxygens, size]", "oxygens"),
    {
      code: "study/invalid",
      message: /"Oxygens" answers in 1 number\(s\), and stage "oxygens" asks it for classes \(oxygens\)/,
    },
  );
});

test("a function tag with a head does not go on in text", async () => {
  await stored();
  const study = second("words")
    .replace("answer: number", "answer: text")
    .replace("init: { noise: 0.3 }", "from: runs/first/tags/Oxygens.safetensors")
    .replace("<Oxygens>", "<Oxygens> {oxygens}");
  await refused("words", study, {
    code: "study/invalid",
    message:
      /tags\.Oxygens has answer: text, but .*Oxygens\.safetensors holds "Oxygens" with a head.*answer: number/,
  });
});

test("a function tag goes on beside other domain tags than those of its file, and is bound to these", async () => {
  const { tags } = await stored();
  const study = second("elsewhere")
    .replace("SMILES: {", "Chain: {")
    .replace("<SMILES>", "<Chain>")
    .replace("init: { noise: 0.3 }", "from: runs/first/tags/Oxygens.safetensors");
  const other = await run("elsewhere", study);
  const chain = requireTag(other.tags, "Chain");
  assert.deepEqual(
    requireTag(tags, "Oxygens").usesTags.map(({ name }) => name),
    ["SMILES"],
  );
  assert.deepEqual(requireTag(other.tags, "Oxygens").usesTags, [{ name: "Chain", sha256: tagDigest(chain) }]);
  const [answer] = await predict(base, other.tags, "Oxygens", [{ smiles: "CCO" }]);
  assert.ok(Number.isFinite(answer!.values.oxygens));
  await rm(join(folder, "runs", "elsewhere", "report.json"));
  assert.deepEqual((await run("elsewhere", study)).tags, other.tags, "also when it is opened again");
});

test("steps of one example train", async () => {
  await stored();
  const { tags, losses } = await run("one", second("one").replace("batch: 8", "batch: 1"));
  const untrained = await run("none", second("none").replace("steps: 2", "steps: 0"));
  assert.notDeepEqual(requireTag(tags, "Oxygens").vectors, requireTag(untrained.tags, "Oxygens").vectors);
  const [before, after] = losses.oxygens!;
  assert.ok(Math.abs(after!.loss / before!.loss - 1) > 1e-4, `${before!.loss} to ${after!.loss}`);
});

test("a function tag goes on from its file: the same first loss, and no step leaves its vectors as they were", async () => {
  const { tags, losses } = await stored();
  const study = first
    .replace("name: first", "name: kept")
    .replace("length: 3 }", "length: 3, from: runs/first/tags/SMILES.safetensors }")
    .replace("init: { noise: 0.3 }", "from: runs/first/tags/Oxygens.safetensors")
    .replace(/\n {2}- \{ name: domain.*/, "")
    .replace("steps: 6", "steps: 0");
  const kept = await run("kept", study);
  assert.equal(kept.losses.oxygens![0]!.loss, bestOf(losses.oxygens!));
  const [before, after] = [tags, kept.tags].map((t) => requireTag(t, "Oxygens"));
  assert.deepEqual(after!.vectors, before!.vectors);
  assert.deepEqual(after!.scaling, before!.scaling);
  assert.deepEqual(after!.usesTags, before!.usesTags);
});

test("the documented study: a warm domain tag, enriched beside a function tag, which is bound to what it became", async () => {
  const { tags } = await stored();
  const { tags: enriched, losses } = await run("enriched", await documented());
  const [before, after] = [tags, enriched].map((t) => requireTag(t, "SMILES"));
  assert.notDeepEqual(after!.vectors, before!.vectors);
  assert.ok(losses.oxygens!.length > 1);
  assert.deepEqual(requireTag(enriched, "Oxygens").usesTags, [{ name: "SMILES", sha256: tagDigest(after!) }]);
});

test("a domain tag says whether its prompts began with BOS, each by its own task", async () => {
  const study = `name: begins
${data}
tags: { A: { kind: domain, length: 2 }, B: { kind: domain, length: 2 } }
stages:
  - name: both
    train: [A, B]
    steps: 1
    tasks:
      - { data: molecules, template: "<A> {smiles}", bos: true }
      - { data: molecules, template: "<B> {smiles}" }
`;
  const { tags } = await run("begins", study);
  assert.deepEqual(
    ["A", "B"].map((name) => requireTag(tags, name).bos),
    [true, false],
  );
});
