/**
 * What the pages show is true: every block has a language; studies and parts of studies fit the schema; every
 * command line is one that the program, npm or the shell would understand. TypeScript is in examples.test.ts.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { parse } from "yaml";
import { root } from "../../scripts/docs.ts";
import { buildProgram } from "../../src/cli/program.ts";
import { parseStudy } from "../../src/study/load.ts";
import { studySchema } from "../../src/study/schema.ts";
import { points } from "../../verify/points.ts";
import { type Fence, fences } from "./fences.ts";

const all = fences();
/** `text` is output, templates and formulas; `python` is run where PyTorch is, by its verify point. */
const languages = ["sh", "ts", "yaml", "json", "text", "python"];

test("every block says its language", () => {
  assert.ok(all.length > 20);
  assert.deepEqual(
    all
      .filter(({ language }) => !languages.includes(language))
      .map(({ at, language }) => `${at} ${language}`),
    [],
    `say one of ${languages.join(", ")}`,
  );
});

const of = (language: string): Fence[] => all.filter((fence) => fence.language === language);

for (const { at, text } of of("json")) test(`${at}: JSON`, () => void JSON.parse(text));

for (const { at, text } of of("yaml")) {
  test(`${at}: a study, or keys of one`, () => {
    const content = parse(text) as Record<string, unknown>;
    if ("stages" in content && "name" in content) {
      parseStudy(text, at);
      return;
    }
    assert.ok(Object.keys(content).length > 0);
    for (const [key, value] of Object.entries(content)) {
      assert.ok(Object.hasOwn(studySchema.shape, key), `${key} is no key of a study`);
      studySchema.shape[key as keyof typeof studySchema.shape].parse(value);
    }
  });
}

for (const { at, text } of of("sh")) {
  test(`${at}: commands`, async () => {
    const commands = commandsOf(text);
    assert.ok(commands.length > 0);
    for (const words of commands) await checkCommand(words);
  });
}

test("the examples that help shows are command lines", async () => {
  const shown = everyCommand(buildProgram(() => {})).flatMap(helpExamples);
  assert.ok(shown.length > 20);
  for (const line of shown) for (const words of commandsOf(line)) await checkCommand(words);
});

test("what is wrong is found", async () => {
  for (const line of [
    "tagllm tran study.yaml",
    "tagllm train",
    "tagllm train a.yaml --stepps 3",
    "npm run nothing",
  ])
    for (const words of commandsOf(line)) await assert.rejects(checkCommand(words));
  await assert.rejects(checkCommand(["npm", "run", "verify", "--", "9.9"]));
  await assert.rejects(checkCommand(["frobnicate"]));
});

/** Words of every command; comments, prompts and continued lines are the shell's. */
function commandsOf(text: string): string[][] {
  return text
    .replaceAll(/\\\n\s*/g, "")
    .split(/\n|&&|\|/)
    .map((line) => line.replace(/^\s*\$ /, "").replace(/(^|\s)#.*$/, ""))
    .map(
      (line) => line.match(/\$?'[^']*'|"[^"]*"|\S+/g)?.map((w) => w.replace(/^\$?(['"])(.*)\1$/, "$2")) ?? [],
    )
    .filter((words) => words.length > 0);
}

async function checkCommand([name = "", ...words]: string[]): Promise<void> {
  const from = words.indexOf("--") + 1;
  switch (name) {
    case "tagllm":
      return parses(words);
    case "npx":
      return checkCommand(words);
    case "npm":
      if (words[0] === "run") checkScript(words[1] ?? "", from ? words.slice(from) : []);
      else assert.ok(["ci", "install", "test", "pack"].includes(words[0] ?? ""), `npm ${words[0]}`);
      return;
    case "node":
    case ".ci/run":
      assert.ok(existsSync(join(root, name === "node" ? (words[0] ?? "") : name)), `${name} ${words[0]}`);
      return;
    case "cat":
    case "apt-get":
    case "curl":
      return;
    default:
      assert.fail(`${name}: a command that this test does not know`);
  }
}

function checkScript(script: string, words: readonly string[]): void {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  assert.ok(Object.hasOwn(scripts, script), `npm run ${script}`);
  if (script !== "verify") return;
  const asked = words.filter((word) => /^\d/.test(word));
  for (const id of asked)
    assert.ok(
      points.some((p) => p.id === id || p.id.startsWith(`${id}.`)),
      `point ${id}`,
    );
}

/** Parses as the program does, and runs nothing. */
async function parses(words: readonly string[]): Promise<void> {
  const program = buildProgram(() => {});
  for (const command of everyCommand(program)) if (command.commands.length === 0) command.action(() => {});
  await program.parseAsync([...words], { from: "user" });
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function helpExamples(command: Command): string[] {
  let help = "";
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  command.outputHelp();
  const [, examples = ""] = /Examples:\n([\s\S]*?)\n\n/.exec(help) ?? [];
  return examples.split("\n").filter((line) => line.trim() !== "");
}
