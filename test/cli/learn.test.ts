/** From a table with names as tables have them to tags, by the commands alone. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readRows } from "../../src/data/source.ts";
import type { ColumnView } from "../../src/learn/columns.ts";
import type { Evaluation } from "../../src/study/evaluation.ts";
import { run, temporaryFolder } from "./command.ts";

/** Sixty rows of two texts, a word and a number that depends on the texts, under these names. */
function writeTable(folder: string, columns: readonly string[]): string {
  const rows = Array.from({ length: 60 }, (_, i) => {
    const texts = [digits(i + 27, "CNO"), digits(64 + ((i * 7) % 61), "FS")];
    return [...texts, "word", texts.join("").replace(/[^OS]/g, "").length].join();
  });
  const file = join(folder, "table.csv");
  writeFileSync(file, `${columns.join()}\n${rows.join("\n")}\n`);
  return file;
}

/** Different texts for different numbers. */
const digits = (n: number, letters: string): string =>
  [...n.toString(letters.length)].map((d) => letters[Number(d)]).join("");

/** The words of a command that was printed, as a shell reads them. */
const wordsOf = (command: string): string[] =>
  [...command.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word).slice(1);

test("learn, and what it says to do next, of columns as tables name them", async (t) => {
  const folder = temporaryFolder(t);
  const inputs = ["Canonical SMILES", "溶解度"];
  const target = "log P";
  const columns = [...inputs, "log-P", target];
  const file = writeTable(folder, columns);
  const asked = [file, "--input", ...inputs.map((c, i) => `${c}:Tag${i}`), "--target", target];
  const few = ["--seeds", "1", "--minutes", "0.02", "--out", join(folder, "out")];
  const learned = await run(["learn", ...asked, ...few], folder);
  assert.equal(learned.code, 0, learned.stderr);
  const commands = learned.stdout.split("\n").flatMap((l) => l.match(/tagllm predict .*/)?.[0] ?? []);
  const [one, many] = commands as [string, string];
  assert.ok(one.endsWith(inputs.map((c) => ` --field "${c}=..."`).join("")), one);
  const single = await run(wordsOf(one), folder);
  assert.equal(single.code, 0, single.stderr);
  const table = await run(wordsOf(many), folder);
  assert.equal(table.code, 0, table.stderr);
  const predicted = await readRows({ file: join(folder, "predicted.csv") });
  assert.deepEqual(predicted.columns.slice(0, 5), [...columns, `predicted_${target}`]);
  assert.ok(predicted.rows.every((row) => row.error === ""));

  const shown = await run(["tags", "show", join(folder, "out", "tags", "LogP.safetensors"), "--json"]);
  const { template } = JSON.parse(shown.stdout) as { template: string };
  assert.equal(
    template,
    "The Canonical SMILES is <Tag0> {Canonical SMILES}. \nThe 溶解度 is <Tag1> {溶解度}. \nThe log P is <LogP>",
  );
  const report = readFileSync(join(folder, "out", "run", "report.html"), "utf8");
  for (const column of [...inputs, target]) assert.ok(report.includes(column), column);

  const scored = await run(["eval", join(folder, "out", "tags"), file, "--json"], folder);
  assert.equal(scored.code, 0, scored.stderr);
  const evaluation = JSON.parse(scored.stdout) as Evaluation;
  assert.equal(evaluation.scored, 60);
  assert.equal(evaluation.outputs[0]?.column, target);

  const begun = await run(["init", ...asked], folder);
  assert.equal(begun.code, 0, begun.stderr);
  const seen = await run(["inspect", join(folder, "study.yaml"), "--json"], folder);
  assert.equal(seen.code, 0, seen.stderr);
  const { prompts } = JSON.parse(seen.stdout) as { prompts: { targets: object }[] };
  assert.deepEqual(Object.keys(prompts.at(-1)?.targets ?? {}), [target]);
});

test("a column that no template can name: the commands are right once it is renamed as they say", async (t) => {
  const folder = temporaryFolder(t);
  const file = writeTable(folder, ["a{b}", "cost $x", "a(b)", "log{P}"]);
  const asked = [file, "--input", "a{b}:A", "cost $x:B", "--target", "log{P}"];
  const few = ["--seeds", "1", "--minutes", "0.02", "--out", join(folder, "out")];
  const learned = await run(["learn", ...asked, ...few], folder);
  assert.equal(learned.code, 0, learned.stderr);
  assert.ok(learned.stdout.includes(` --field "a(b) 2=..." --field "cost \\$x=..."\n`), learned.stdout);
  assert.ok(learned.stdout.includes(`(TABLE: ${file} with its column "a{b}" renamed to "a(b) 2")\n`));
  const again = JSON.parse((await run(["learn", ...asked, ...few, "--json"], folder)).stdout) as object;
  assert.deepEqual("renamed" in again && again.renamed, [{ column: "a{b}", field: "a(b) 2" }]);
  const longer = await run(["learn", ...asked, ...few, "--minutes", "0.03"], folder);
  assert.equal(longer.code, 1);
  assert.match(
    longer.stderr,
    /error\[run\/changed\]: .* \(minutes: 0\.02 then, 0\.03 now\)\.\n {2}Give --minutes 0\.02 to go on with it\. .*--out/,
  );
  assert.match(learned.stdout, /a longer search \(--minutes 30\);.* each with another --out\n/);
  const renamed = join(folder, "renamed.csv");
  writeFileSync(renamed, readFileSync(file, "utf8").replace("a{b}", "a(b) 2"));
  const tags = join(folder, "out", "tags");
  const predicted = await run(["predict", "--tag", "LogP", "--tags", tags, "--data", renamed], folder);
  assert.equal(predicted.code, 0, predicted.stderr);
  const scored = await run(["eval", tags, renamed, "--json"], folder);
  assert.equal((JSON.parse(scored.stdout) as Evaluation).scored, 60, scored.stderr);
});

test("what learn proposes for a bare table is a command, also with blanks in its names", async (t) => {
  const file = writeTable(temporaryFolder(t), ["Canonical SMILES", "b", "c", "log P"]);
  const { code, stdout, stderr } = await run(["learn", file, "--json"]);
  assert.equal(code, 2);
  const { error } = JSON.parse(stdout) as { error: { code: string; columns: ColumnView[] } };
  assert.equal(error.code, "usage");
  assert.deepEqual(
    error.columns.map(({ name, kind }) => [name, kind]),
    [
      ["Canonical SMILES", "text"],
      ["b", "text"],
      ["c", "text"],
      ["log P", "number"],
    ],
  );
  assert.match(stderr, / --input ("Canonical SMILES:TAG"|b:TAG) --target "log P" /);
});
