/** A class that is too rare is refused by the training rows of the split that is to come. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { requireClassRows } from "../../src/learn/classes.ts";
import type { Plan } from "../../src/learn/compose.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "classes-"));
});
after(() => rm(folder, { recursive: true }));

/** A plan for 60 rows of two classes, and one row each of those that are given. */
async function planWith(rare: readonly string[], changed: Partial<Plan> = {}): Promise<Plan> {
  const rows = Array.from({ length: 60 }, (_, i) => `word${i},${i % 2 ? "odd" : "even"}`);
  const others = rare.map((name, i) => `other${i},${name}`);
  const file = join(folder, "rows.csv");
  await writeFile(file, `text,kind\n${[...rows, ...others].join("\n")}\n`);
  return {
    name: "rows-kind",
    file,
    inputs: [{ column: "text", tag: "Text" }],
    target: "kind",
    answer: "class",
    base: null,
    test: 0.1,
    validation: 0.1,
    splitSeed: 0,
    seeds: [1],
    domainSteps: 1,
    molecules: [],
    words: true,
    ...changed,
  };
}

const check = (plan: Plan) => requireClassRows(plan, folder, folder);

test("a class of one training row is refused with its name and the cure", async () => {
  const rare = Array.from({ length: 8 }, (_, i) => `rare${i}`);
  await assert.rejects(check(await planWith(rare)), {
    code: "study/data",
    message: /only 1 training row has the "kind" "rare\d".*leave its rows out/,
  });
});

test("classes of more rows pass, and so do rows without a class or an input", async () => {
  await check(await planWith(["odd", "even", "NA", ""]));
  const plan = await planWith([]);
  await writeFile(
    plan.file,
    `text,kind\n,once\n${"a,odd\nb,odd\nc,odd\nd,even\ne,even\nf,even\n".repeat(5)}`,
  );
  await check(plan);
});

test("numbers have no classes", async () => {
  await check(await planWith(["once", "twice", "thrice"], { answer: "number" }));
});
