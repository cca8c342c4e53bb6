/** What a folder of `learn` keeps of a choice, and when the choice counts again. */
import assert from "node:assert/strict";
import { link, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Plan, Recipe } from "../../src/learn/compose.ts";
import { learn } from "../../src/learn/learn.ts";
import { gatherTags } from "../../src/learn/tag-files.ts";
import { wholeStudy } from "../../src/learn/whole-study.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { saveTag } from "../../src/tags/file.ts";
import { tagDigest } from "../../src/tags/tag.ts";
import { domainTag } from "../tags/sample.ts";

let folder: string;
let data: string;
/** With the domain tag Chain, whose digest this is. */
let tags: string;
let digest: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "trials-"));
  data = join(folder, "chains.csv");
  tags = join(folder, "given");
  const rows = Array.from({ length: 60 }, (_, i) => `${"CNO".repeat(1 + (i % 5))}${i},${i % 7}`);
  await writeFile(data, `chain,oxygens\n${rows.join("\n")}\n`);
  await mkdir(tags);
  const base = await Base.load(defaultBase);
  const { fingerprint } = base;
  await base.close();
  const { hiddenSize: width } = fingerprint;
  const tag = domainTag({ name: "Chain", base: fingerprint, width, vectors: new Float32Array(3 * width) });
  await saveTag(join(tags, "Chain.safetensors"), tag);
  digest = tagDigest(tag);
});
after(() => rm(folder, { recursive: true }));

const options = { target: "oxygens", seeds: 1, minutes: 0.2 };
const inputs = [{ column: "chain", tag: "Chain" }];
const recipe: Recipe = { length: 0, rate: 0.025, steps: 0 };
const choice = { trials: [], recipe, why: "it was the only one" };

/** A folder whose recipe was chosen beside these tags. */
async function chosen(name: string, found: Record<string, string> | undefined): Promise<string> {
  const out = join(folder, name);
  const plan: Plan = {
    name: "chains-oxygens",
    file: data,
    inputs,
    target: "oxygens",
    answer: "number",
    base: null,
    test: 0.1,
    validation: 0.1,
    splitSeed: 0,
    seeds: [1],
    minutes: 0.2,
    domainSteps: 150,
    molecules: [],
    words: true,
  };
  await mkdir(out);
  const text = JSON.stringify({ plan: { ...plan, ...(found && { tags: found }) }, choice });
  await writeFile(join(out, "trials.json"), text);
  return out;
}

/** Learns until a recipe is chosen. */
async function untilChoice(out: string, more: object): Promise<void> {
  const stop = new AbortController();
  await learn({
    ...options,
    ...more,
    data,
    inputs,
    out,
    signal: stop.signal,
    onEvent: (e) => (e.kind === "choice" || e.kind === "run") && stop.abort(),
  });
}

test("a recipe that was chosen beside other domain tags is refused, and nothing is written", async () => {
  const cases: [string, Record<string, string> | undefined, object, RegExp][] = [
    ["without", undefined, { tags }, new RegExp(`tags: nothing then, \\{"Chain":"${digest}"\\} now`)],
    ["with", { Chain: digest }, {}, /tags: \{"Chain":".*"\} then, nothing now/],
    ["others", { Chain: "0".repeat(64) }, { tags }, /tags\.Chain: "0+" then/],
  ];
  for (const [name, found, more, message] of cases) {
    const out = await chosen(name, found);
    const cure = found ? /^Give the --tags of then/ : /^Leave out --tags/;
    await assert.rejects(untilChoice(out, more), { code: "run/changed", message, cure });
    assert.deepEqual(await readdir(out), ["trials.json"]);
  }
  // The same tags from a folder of another name are the same tags.
  await assert.rejects(untilChoice(await chosen("same", { Chain: digest }), { tags }), { code: "aborted" });
});

test("a trials.json that is cut or of something else is refused by its name", async () => {
  const whole = await readFile(join(await chosen("whole", undefined), "trials.json"), "utf8");
  const texts = [
    "",
    whole.slice(0, -20),
    "[]",
    '{"trials": []}',
    whole.replace('"rate":0.025', '"rate":"x"'),
  ];
  const out = join(folder, "foreign");
  await mkdir(out);
  for (const text of texts) {
    await writeFile(join(out, "trials.json"), text);
    await assert.rejects(untilChoice(out, {}), {
      code: "run/folder",
      message: /foreign holds a trials\.json that is not of learn/,
    });
    assert.equal(await readFile(join(out, "trials.json"), "utf8"), text);
  }
});

test("domain tags of the inputs that would be one file are refused", async () => {
  const both = [...inputs, { column: "oxygens", tag: "CHAIN" }];
  const asked = { ...options, data, inputs: both, target: "n", out: join(folder, "case") };
  await writeFile(data.replace("chains", "pairs"), "chain,oxygens,n\nC,1,2\nO,2,3\n");
  await assert.rejects(learn({ ...asked, data: data.replace("chains", "pairs") }), {
    code: "usage",
    message: /Chain and CHAIN .* capital/,
  });
  assert.throws(() => wholeStudy(data, both, "n", [], folder, "number"), { code: "usage" });
});

test("tags are gathered as files that are replaced whole", async () => {
  const out = join(folder, "gathered");
  await mkdir(join(out, "run", "tags"), { recursive: true });
  await mkdir(join(out, "tags"));
  await writeFile(join(out, "run", "tags", "Count.safetensors"), "new");
  // A second name of the old file shows whether it was written over or replaced.
  await writeFile(join(out, "old"), "old and longer");
  await link(join(out, "old"), join(out, "tags", "Count.safetensors"));
  const file = join(tags, "Chain.safetensors");
  await gatherTags(out, { Chain: { file, length: 3, splitCharacters: true, isolate: true } });
  assert.equal(await readFile(join(out, "tags", "Count.safetensors"), "utf8"), "new");
  assert.equal(await readFile(join(out, "old"), "utf8"), "old and longer");
  assert.deepEqual(await readFile(join(out, "tags", "Chain.safetensors")), await readFile(file));
});
