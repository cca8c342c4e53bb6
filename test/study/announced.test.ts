/** The wrong domain tag: the answer is scored in the same tokens, and where the other tag has no room nothing is asked. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { announcedOtherwise } from "../../src/study/announced.ts";
import { loadStudy } from "../../src/study/load.ts";
import { type PreparedStudy, prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import type { TaskRow } from "../../src/study/tasks.ts";

let base: Base;
let folder: string;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "announced-"));
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

interface Sizes {
  readonly long: number;
  readonly maxTokens: number;
}

/** Two languages, of which the second splits characters and has so many vectors. */
async function prepared({ long, maxTokens }: Sizes): Promise<PreparedStudy> {
  const rows = Array.from({ length: 20 }, (_, i) => `up ${i},down and far away again ${i},an ${i % 3}`);
  await writeFile(join(folder, "rows.csv"), `text,plain,split\n${rows.join("\n")}\n`);
  await writeFile(
    join(folder, "study.yaml"),
    `name: announced
maxTokens: ${maxTokens}
data: { rows: { file: rows.csv, split: { test: 4, validation: 4 } } }
tags:
  Plain: { kind: domain, length: 1 }
  Split: { kind: domain, length: ${long}, splitCharacters: true }
  Say: { kind: function, answer: text, length: 1 }
stages:
  - name: say
    train: [Plain, Split, Say]
    steps: 1
    batch: 2
    answers: { tokens: 2, rows: 2 }
    tasks:
      - { data: rows, template: "{text} <Plain> <Say> {plain}", target: plain }
      - { data: rows, template: "{text} <Split> <Say> {split}", target: split }
`,
  );
  return prepareStudy(await loadStudy(join(folder, "study.yaml")), base);
}

/** Of each task the prompts of its own and the other tag, for the first test row. */
function both(study: PreparedStudy) {
  const stage = study.stages[0]!;
  return stage.tasks.map((task) => {
    const otherwise = announcedOtherwise({ prepared: study, stage }, task)!;
    const row = task.rows.test[0] as TaskRow;
    const compilers = [task.compiler, otherwise.compiler];
    const prompts = compilers.map((compiler) => compiler.compile(row, { withTarget: true }));
    return { otherwise, targets: prompts.map(({ ids, target }) => [...ids.subarray(target!.start)]) };
  });
}

test("answers are scored in the tokens of the task's own tag", async () => {
  const study = await prepared({ long: 1, maxTokens: 60 });
  const [plain, split] = both(study);
  assert.deepEqual([plain!.otherwise.other, split!.otherwise.other], ["Split", "Plain"]);
  for (const { targets, otherwise } of [plain!, split!]) {
    assert.deepEqual(targets[1], targets[0]);
    assert.equal(otherwise.tooLong, 0);
  }
  assert.equal(study.loaded.study.tags.Split!.length, 1, "the study stays as it is");
});

test("where rows have no room for the other tag the method is left out, and the report says why", async () => {
  const positions = 30;
  const study = await prepared({ long: positions - 10, maxTokens: positions });
  const report = await runStudy(study, { out: join(folder, "run") });
  const methods = report.stages[0]!.tasks.map((t) => t.methods.map(({ method }) => method));
  assert.ok(!methods[0]!.includes("wrong domain tag"), methods[0]!.join());
  assert.ok(methods[1]!.includes("wrong domain tag"), methods[1]!.join());
  const said = report.warnings.filter((line) => line.includes("wrong domain tag"));
  assert.equal(said.length, 1, report.warnings.join("\n"));
  assert.match(said[0]!, /^say\/rows <Plain> <Say>: .*4 of 4 test rows .*<Split> in the place of <Plain>/);
});
