/** What a validation fits its head to is drawn from all training rows, also where the table is sorted by the target. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { smallStudy } from "../support/small-study.ts";

test("a sorted table is validated as one in any other order", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tagllm-sorted-"));
  const base = await Base.load(defaultBase);
  t.after(async () => {
    await base.close();
    await rm(folder, { recursive: true });
  });
  const file = await smallStudy(folder, 0);
  const study = await readFile(file, "utf8");
  await writeFile(file, study.replace("head: { ", "head: { validationRows: 25, "));
  const [header, ...rows] = (await readFile(join(folder, "rows.csv"), "utf8")).trim().split("\n") as string[];
  const oxygens = (row: string) => Number(row.split(",")[1]);
  const firstLoss = async (name: string, ordered: readonly string[]): Promise<number> => {
    await writeFile(join(folder, "rows.csv"), `${[header, ...ordered].join("\n")}\n`);
    const losses: number[] = [];
    const prepared = await prepareStudy(await loadStudy(file), base);
    await runStudy(prepared, {
      out: join(folder, name),
      onEvent: (e) => {
        if (e.kind === "validation" && e.stage === "count") losses.push(e.loss);
      },
    });
    return losses[0] as number;
  };
  const loss = await firstLoss("as it is", rows);
  const sorted = await firstLoss(
    "sorted",
    rows.toSorted((a, b) => oxygens(a) - oxygens(b)),
  );
  assert.ok(sorted < 3 * loss, `${sorted} where rows are sorted, else ${loss}`);
});
