/** What a stage stores follows from the room there is, and changes no bit of what it learns. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { type PreparedStudy, planStudy, prepareStudy } from "../../src/study/prepare.ts";
import { type Stored, storedOf } from "../../src/study/reuse.ts";
import { runStudy, type StudyEvent } from "../../src/study/run.ts";
import { loadTag } from "../../src/tags/file.ts";
import type { Tag } from "../../src/tags/tag.ts";

let base: Base;
let folder: string;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "reuse-"));
  const proteins = Array.from({ length: 8 }, (_, i) => "ACDEFGHIK".slice(i) + "LMNPQRST".repeat(4 + i));
  const pairs = proteins.flatMap((protein, p) =>
    Array.from({ length: 8 }, (_, d) => `${protein},${"C".repeat(d + 1)}${"O".repeat(p)},${(p * d) % 5}`),
  );
  await writeFile(join(folder, "pairs.csv"), `protein,drug,y\n${pairs.join("\n")}\n`);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

const shared = "<Protein> {protein} binds <Drug> {drug} at <Affinity>";
const unshared = "<Drug> {drug} binds at <Affinity>";

async function prepared(room: string, template = shared): Promise<PreparedStudy> {
  const file = join(folder, "study.yaml");
  await writeFile(
    file,
    `name: reuse
${room}
data:
  pairs: { file: pairs.csv, split: { test: 8, validation: 8 } }
tags:
  Protein: { kind: domain, length: 2 }
  Drug: { kind: domain, length: 2 }
  Affinity: { kind: function, answer: number, length: 2 }
stages:
  - name: domains
    train: [Protein, Drug]
    tasks:
      - { data: pairs, template: "<Protein> {protein}" }
      - { data: pairs, template: "<Drug> {drug}" }
    steps: 1
    batch: 2
  - name: affinity
    train: [Affinity]
    tasks: [{ data: pairs, template: "${template}", target: y }]
    steps: 6
    batch: 6
`,
  );
  return prepareStudy(await loadStudy(file), base);
}

async function choice(room: string, template?: string): Promise<Stored> {
  const study = await prepared(room, template);
  return storedOf(study, study.stages.at(-1) ?? assert.fail());
}

const little = "memory: 0.0001";

test("prefixes where they fit; spans that rows share whatever the room; others only where they fit", async () => {
  const all = await choice("memory: 1");
  assert.equal(all.reuse, "prefix");
  const some = await choice(little);
  assert.equal(some.reuse, "spans");
  assert.ok(1e5 < some.bytes && some.bytes < all.bytes, `${some.bytes} of ${all.bytes}`);
  assert.equal((await choice("memory: 1", unshared)).reuse, "prefix");
  const none = await choice(little, unshared);
  assert.deepEqual(none, { reuse: "none", bytes: 0, reason: "memory and disk have no room for it" });
  assert.equal((await choice(`${little}\ndisk: 1`, unshared)).reuse, "prefix");
});

test("the plan says why nothing is stored", async () => {
  const study = await prepared("memory: 1");
  assert.match(planStudy(study)[0]?.stored.reason ?? "", /texts stand on the tag/);
  assert.equal(planStudy(study, "none")[1]?.stored.reason, "reuse is switched off");
});

test("spans that are computed again, as there is no room for all, give the same bits", async () => {
  // Between what the spans take and what all prefixes take.
  const enough = `memory: ${((await choice(little)).bytes * 1.01) / 1e9}`;
  const runs: { tag: Tag; storing: number }[] = [];
  for (const room of [enough, little]) {
    const out = join(folder, room.replace(/\W+/g, ""));
    let storing = 0;
    const begun: string[] = [];
    await runStudy(await prepared(room), {
      out,
      onEvent: (e: StudyEvent) => {
        if (e.kind === "stage-begin") begun.push(e.reuse);
        if (e.kind === "storing") storing++;
      },
    });
    assert.deepEqual(begun, ["none", "spans"]);
    runs.push({ tag: await loadTag(join(out, "tags", "Affinity.safetensors")), storing });
  }
  const [one, other] = runs as [(typeof runs)[0], (typeof runs)[0]];
  assert.deepEqual(other.tag.vectors, one.tag.vectors);
  assert.deepEqual(other.tag.head, one.tag.head);
  assert.ok(other.storing > one.storing, `stored ${other.storing} and ${one.storing} times`);
});
