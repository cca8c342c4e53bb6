/** A function tag without vectors is the linear probe: the same numbers, and a tag like any other. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Runner } from "../../src/batch/runner.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { writeReport } from "../../src/report/write.ts";
import { readEmbeddings, startTags } from "../../src/study/live.ts";
import { loadStudy } from "../../src/study/load.ts";
import { predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { verifyTags } from "../../src/study/verify-tags.ts";
import { exportTag } from "../../src/tags/exchange.ts";
import { loadTag, saveTag, tagFile } from "../../src/tags/file.ts";
import { openTags } from "../../src/tags/library.ts";
import { readout } from "../../src/train/tasks.ts";
import { smallStudy } from "../support/small-study.ts";
import { relativeError } from "../support/tensors.ts";

let [base, folder, study] = [null as unknown as Base, "", ""];
before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "tagllm-probe-"));
  study = await smallStudy(folder);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

/** The small study with other words in it. */
async function changed(name: string, ...changes: [string, string][]): Promise<string> {
  let text = await readFile(study, "utf8");
  for (const [before, after] of changes) {
    assert.ok(text.includes(before), before);
    text = text.replace(before, after);
  }
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

const bare = "answer: number, length: 0";
const given = "answer: number, length: 2";

test("its scores are the probe's; it is reported, verified, copied and asked like others", async () => {
  const file = await changed("probe.yaml", [given, bare], ["steps: 12", "steps: 0"]);
  const out = join(folder, "run");
  const report = await runStudy(await prepareStudy(await loadStudy(file), base), { out });
  const methods = new Map(report.stages.at(-1)!.tasks[0]!.methods.map((m) => [m.method, m.perSeed]));
  assert.deepEqual(methods.get("function tag"), methods.get("linear probe"));
  assert.notDeepEqual(methods.get("function tag"), methods.get("mean"));
  assert.ok(await writeReport(out, base));

  const library = join(out, "seed-1", "tags");
  const tags = await openTags(library);
  assert.equal(tags.get("Count")?.vectors.length, 0);
  assert.ok((await verifyTags(tagFile(library, "Count"), base)).every(({ ok }) => ok));
  const copy = join(folder, "Count.safetensors");
  await saveTag(copy, tags.get("Count")!);
  assert.deepEqual(await loadTag(copy), tags.get("Count"));
  const away = exportTag(tags.get("Count")!, "npy", join(folder, "count.npy"));
  await assert.rejects(away, { code: "tag/shape", message: /no vectors/ });
  const [one, other] = await predict(base, tags, "Count", [{ text: "COOOC" }, { text: "CCNC" }]);
  assert.ok(Number.isFinite(one?.values.oxygens));
  assert.notEqual(one?.values.oxygens, other?.values.oxygens);
});

test("it reads all of the question, even where its template ends in an isolated span", async () => {
  const study = await changed(
    "ends.yaml",
    [given, bare],
    ['"Chain <Chain> {text} has <Count>"', '"<Chain> {text} <Chain> {same}<Count>"'],
    ["file: rows.csv", "file: rows.csv, select: { text: text, oxygens: oxygens, same: \"'CCC'\" }"],
    ["steps: 12", "steps: 0"],
  );
  const prepared = await prepareStudy(await loadStudy(study), base);
  const live = startTags(prepared, await readEmbeddings(base), 1);
  const runner = new Runner(base, (tag) => live.get(tag)!.vectors, { reuse: "none", tokens: 512 });
  const task = prepared.stages.at(-1)!.tasks[0]!;
  const query = (text: string) => {
    const row = { ...task.rows.train[0]!, fields: { text, same: "CCC" } };
    const prompt = task.compiler.compile(row, { withTarget: false });
    return { prompt, isolate: task.isolate, cut: prompt.readout! };
  };
  const hidden = await runner.hidden([query("COOOC"), query("CNNNC")], readout);
  const [one, other] = [hidden.subarray(0, hidden.length / 2), hidden.subarray(hidden.length / 2)];
  assert.ok(relativeError(one!, other!) > 0.01, String(relativeError(one!, other!)));
});

test("without vectors there is nothing to train", async () => {
  const refused = async (name: string, ...changes: [string, string][]) => {
    const error = { code: "study/invalid", message: /length/ };
    await assert.rejects(loadStudy(await changed(name, ...changes)), error);
  };
  await refused("steps.yaml", [given, bare]);
  await refused("text.yaml", [given, "answer: text, length: 0"], ["steps: 12", "steps: 0"]);
  await refused("domain.yaml", ["kind: domain, length: 3", "kind: domain, length: 0"]);
});
