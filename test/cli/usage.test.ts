/** What the command line says before any work: help, mistakes, exit codes, the shape of --json. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { version } from "../../src/version.ts";
import { run, temporaryFolder, writeStudy } from "./command.ts";

const commands = [
  "learn",
  "init",
  "train",
  "predict",
  "eval",
  "tags",
  "tags list",
  "tags show",
  "tags rename",
  "tags copy",
  "tags rm",
  "tags verify",
  "tags import",
  "tags export",
  "inspect",
  "model",
  "model info",
  "doctor",
  "demo",
];

const groups = ["", "tags", "model"];

test("help of every command leads with examples, has --json and --debug, and goes to stdout", async () => {
  const helps = await Promise.all(
    ["", ...commands].map((command) => run([...command.split(" "), "--help"].filter((word) => word !== ""))),
  );
  for (const [i, { code, stdout, stderr }] of helps.entries()) {
    const command = ["", ...commands][i]!;
    assert.equal(code, 0);
    if (!groups.includes(command)) assert.match(stdout, /\n {2}--json [\s\S]*\n {2}--debug /, command);
    assert.match(stdout, /^Examples:\n {2}(# .*\n {2})?tagllm /);
    assert.match(stdout, /\nUsage: tagllm /);
    assert.equal(stderr, "");
  }
});

test("the version is that of the package", async () => {
  assert.deepEqual(await run(["--version"]), { code: 0, stdout: `${version}\n`, stderr: "" });
});

test("without a command, help goes to stderr and the code is 2", async () => {
  for (const words of [[], ["tags"], ["model"]]) {
    const { code, stdout, stderr } = await run(words);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /^Examples:/);
  }
});

const mistakes: [words: string[], stderr: RegExp][] = [
  [["trian"], /^error\[usage\]: Unknown command 'trian'\.\n {2}Did you mean train\?/],
  [["tags", "lst"], /^error\[usage\]: Unknown command 'lst'\.\n {2}Did you mean list\? `tagllm tags --help`/],
  [["train", "a.yaml", "--sed", "3"], /^error\[usage\]: Unknown option '--sed'\.\n {2}Did you mean --seed\?/],
  [["train"], /^error\[usage\]: Missing required argument 'study'\.\n {2}`tagllm train --help`/],
  [["train", "a.yaml", "--seed", "one"], /'one' is invalid\. It must be a whole number\./],
  [["train", "a.yaml", "--seed", "-1"], /^error\[usage\]: /],
  [["train", "a.yaml", "--seed", "1", "--seed", "1"], /^error\[usage\]: --seed gives 1 twice\./],
  [["train", "a.yaml", "--dry-run", "--seed", "3", "0", "2", "0"], /^error\[usage\]: --seed gives 0 twice\./],
  [["train", "a.yaml", "--device", "gpu"], /'gpu' is invalid\. It must be cpu or webgpu\./],
  [["train", "a.yaml", "--threads", "0"], /'0' is invalid\. It must be 1 or more\./],
  [["learn", "a.csv", "--seeds", "0"], /'0' is invalid\. It must be 1 or more\./],
  [["train", "a.yaml", "b.yaml"], /^error\[usage\]: Too many arguments/],
  [["predict"], /^error\[usage\]: Required option '-t, --tag <file or name>' not specified\./],
  [["predict", "--tag", "T"], /^error\[usage\]: Give either fields or a table\./],
  [["predict", "--tag", "T", "--field", "smiles"], /'smiles' is invalid\. It must be name=value\./],
  [["predict", "--tag", "T", "--field", "a=1", "--field", "a=2"], /It gives a a second time\./],
  [["predict", "--tag", "T", "--field", "a=1", "--out", "x.csv"], /^error\[usage\]: --out is for tables\./],
  [["doctor", "nde"], /^error\[usage\]: There is no check "nde"\.\n {2}Did you mean "node"\?/],
];

test("a mistake in the command line: one error with a cure, code 2, nothing on stdout", async () => {
  const all = await Promise.all(mistakes.map(([words]) => run(words)));
  for (const [i, { code, stdout, stderr }] of all.entries()) {
    const [words, expected] = mistakes[i]!;
    assert.match(stderr, expected, words.join(" "));
    assert.match(stderr, /^error\[usage\]: .*\n( {2}.*\n)+$/, words.join(" "));
    assert.equal(code, 2, words.join(" "));
    assert.equal(stdout, "");
  }
});

test("what is missing is named: code 1, two lines, no stack trace", async () => {
  const missing = [
    [["train", "nowhere.yaml"], "study/missing"],
    [["inspect", "nowhere.yaml"], "study/missing"],
    [["init", "nowhere.csv", "--input", "a:A", "--target", "b"], "data/missing"],
    [["tags", "list", "nowhere"], "tag/missing"],
    [["tags", "show", "nowhere.safetensors"], "tag/missing"],
    [["model", "info", "nowhere"], "weights/missing"],
    [["predict", "--tag", "Nothing", "--field", "a=1"], "tag/missing"],
  ] as const;
  const all = await Promise.all(missing.map(([words]) => run([...words, "--json"])));
  for (const [i, { code, stdout, stderr }] of all.entries()) {
    const [words, expected] = missing[i]!;
    assert.equal(code, 1, words.join(" "));
    assert.match(stderr, new RegExp(`^error\\[${expected}\\]: .*nowhere|^error\\[${expected}\\]: .*Nothing`));
    assert.match(stderr, /^error.*\n {2}.*\n$/);
    const { error } = JSON.parse(stdout) as { error: Record<string, string> };
    assert.deepEqual(Object.keys(error), ["code", "problem", "cure"]);
    assert.equal(error.code, expected);
  }
});

test("--debug adds where the error came from", async () => {
  const { stderr } = await run(["train", "nowhere.yaml", "--debug"]);
  assert.match(stderr, /^error\[study\/missing\][\s\S]*\n {4}at [\s\S]*caused by Error: ENOENT/);
});

test("a study with a mistake is refused before anything is loaded or written", async (t) => {
  const folder = temporaryFolder(t);
  const file = writeStudy(folder, 1);
  writeFileSync(file, "name: words\nstagges: []\n");
  const { code, stderr } = await run(["train", file, "--out", join(folder, "out")]);
  assert.equal(code, 1);
  assert.match(stderr, /^error\[study\/invalid\]: .*\n[\s\S]*"stagges"/);
});

test("a folder without tags, and one with a damaged tag, are listed", async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "empty"));
  assert.match((await run(["tags", "list", join(folder, "empty")])).stdout, /^There are no tag files in /);
  writeFileSync(join(folder, "Bad.safetensors"), "nothing of the kind");
  const { code, stdout } = await run(["tags", "list", folder, "--json"]);
  assert.equal(code, 0);
  const { tags } = JSON.parse(stdout) as { tags: { file: string; error: { code: string } }[] };
  assert.equal(tags.length, 1);
  assert.equal(tags[0]!.error.code, "tag/damaged");
});
