/** Runs the command line as a user does, in a process of its own, and makes small studies for it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves when stderr holds `text`, rejects when the command ends without having said it. */
  says(text: string): Promise<void>;
}

/** `extra`: variables besides those of this process. */
export function start(words: readonly string[], cwd?: string, extra: NodeJS.ProcessEnv = {}): Running {
  const { NO_COLOR: _a, FORCE_COLOR: _b, NODE_TEST_CONTEXT: _c, ...env } = process.env;
  const tsx = import.meta.resolve("tsx");
  const child = spawn(process.execPath, ["--import", tsx, main, ...words], {
    cwd,
    env: { ...env, ...extra },
  });
  let [stdout, stderr] = ["", ""];
  const listeners: (() => void)[] = [];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (stderr.includes(text)) resolve();
      };
      listeners.push(look);
      look();
      ended.then(() => reject(new Error(`never said ${JSON.stringify(text)}:\n${stderr}`)));
    });
  return { child, ended, says };
}

export function run(words: readonly string[], cwd?: string, extra?: NodeJS.ProcessEnv): Promise<Ended> {
  return start(words, cwd, extra).ended;
}

export function temporaryFolder(t: Pick<TestContext, "after">): string {
  const folder = mkdtempSync(join(tmpdir(), "tagllm-cli-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A study of two stages on forty made-up words and their lengths; `steps` of each stage. */
export function writeStudy(folder: string, steps: number): string {
  mkdirSync(folder, { recursive: true });
  const words = Array.from({ length: 40 }, (_, i) => "CNOS"[i % 4]!.repeat(1 + (i % 7)) + "=O".repeat(i % 3));
  const rows = words.map((word) => `${word},${word.length}`);
  writeFileSync(join(folder, "words.csv"), `word,size\n${rows.join("\n")}\n`);
  const file = join(folder, "study.yaml");
  writeFileSync(
    file,
    `name: words
data: { words: { file: words.csv, split: { test: 8, validation: 8 } } }
tags:
  Word: { kind: domain, length: 2 }
  Size: { kind: function, answer: number, length: 2 }
stages:
  - { name: domain, train: [Word], steps: ${steps}, batch: 4, tasks: [{ data: words, template: "<Word> {word}" }] }
  - name: size
    train: [Size]
    steps: ${steps}
    batch: 4
    tasks: [{ data: words, template: "The word <Word> {word} has the size <Size>", target: size }]
`,
  );
  return file;
}
