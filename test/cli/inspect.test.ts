/** What `tagllm inspect` says is learned from a row, for each kind of answer. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run, temporaryFolder } from "./command.ts";

const study = `name: kinds
data: { words: { file: words.csv, split: { test: 8, validation: 8 } } }
tags:
  Kind: { kind: function, answer: class, length: 2 }
  Size: { kind: function, answer: number, length: 2 }
  Say: { kind: function, answer: text, length: 2 }
stages:
  - { name: kind, train: [Kind], tasks: [{ data: words, template: "{word} is <Kind>", target: kind }] }
  - { name: size, train: [Size], tasks: [{ data: words, template: "{word} has <Size>", target: [size, twice] }] }
  - { name: say, train: [Say], tasks: [{ data: words, template: "{word} is <Say> {kind}", target: kind }] }
`;

test("a head's loss is on its label or its numbers, not on tokens", async (t) => {
  const folder = temporaryFolder(t);
  const rows = Array.from({ length: 40 }, (_, i) => {
    const size = 1 + (i % 7);
    return `${"CNOS"[i % 4]?.repeat(size)},${size},${2 * size},${size > 3 ? "long, at last" : "short"}`;
  }).map((line) => line.replace("long, at last", '"long, at last"'));
  writeFileSync(join(folder, "words.csv"), `word,size,twice,kind\n${rows.join("\n")}\n`);
  const file = join(folder, "kinds.yaml");
  writeFileSync(file, study);
  const { code, stdout, stderr } = await run(["inspect", file, "--rows", "5"]);
  assert.equal(code, 0, stderr);
  const of = (stage: string) => stdout.split("\n\n").filter((part) => part.startsWith(`${stage}/words, `));
  for (const part of of("kind")) assert.match(part, /; loss of the head on kind = "(short|long, at last)"\n/);
  for (const part of of("size")) assert.match(part, /; loss of the head on size = (\d), twice = \d+\n/);
  for (const part of of("say")) assert.match(part, /; loss on \d+ tokens\n/);
  assert.deepEqual(
    ["kind", "size", "say"].map((stage) => of(stage).length),
    [5, 5, 5],
  );

  const json = await run(["inspect", file, "--json"]);
  const { prompts } = JSON.parse(json.stdout) as {
    prompts: { stage: string; lossAt: number[]; readout: number; targets: Record<string, unknown> }[];
  };
  const [kind, size, say] = prompts;
  assert.deepEqual(kind?.lossAt, []);
  assert.match(String(kind?.targets.kind), /^(short|long, at last)$/);
  assert.deepEqual(size?.lossAt, []);
  assert.equal(size?.targets.twice, 2 * (size?.targets.size as number));
  assert.notDeepEqual(say?.lossAt, []);
});
