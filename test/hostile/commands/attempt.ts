/** Runs an attack as a user would, in a process of its own, and says what is wrong with how it ended. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandCase } from "./case.ts";
import type { World } from "./world.ts";

export interface Outcome {
  readonly attack: CommandCase;
  /** What stderr said, the attack's folder written as `…`. */
  readonly message: string;
  /** null when all is as it must be. */
  readonly fault: string | null;
}

/** `program`: the words that start tagllm. */
export async function attempt(
  attack: CommandCase,
  world: World,
  program: readonly string[],
): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "tagllm-attack-"));
  try {
    const words = await attack.prepare(folder, world);
    const before = await entries(folder);
    const { code, stdout, stderr } = await run(folder, [...program, ...words], attack);
    const left = (await entries(folder)).filter(
      (e) => !before.includes(e) && !(attack.leaves ?? []).some((l) => e === l || e.startsWith(`${l}/`)),
    );
    const message = stderr.trimEnd().replaceAll(folder, "…").replaceAll(world.run, "run");
    return { attack, message, fault: faultOf(attack, code, stdout, message, left) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function faultOf(
  { code, mentions }: CommandCase,
  exit: number,
  stdout: string,
  message: string,
  left: readonly string[],
): string | null {
  const found = /^error\[([^\]]*)\]: /m.exec(message)?.[1];
  if (found !== code) return `says ${found ?? "no error"} (exit code ${exit}), not ${code}`;
  if (exit !== (code === "usage" ? 2 : 1)) return `ends with exit code ${exit}`;
  if (stdout !== "") return `prints on stdout: ${stdout.slice(0, 80)}`;
  const unnamed = mentions.filter((part) => !message.includes(part));
  if (unnamed.length) return `does not name ${unnamed.join(", ")}`;
  if (/^\s+at .*:\d+:\d+|node:internal|Error: /m.test(message)) return "shows a stack trace";
  if (/\.(cc|cpp|cxx|hpp)\b|onnxruntime[/\\]core/.test(message)) return "shows a C++ path";
  if (!/\n {2}\S.*\.$/.test(message)) return "has no cure";
  return left.length ? `leaves ${left.join(", ")}` : null;
}

async function entries(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.map((e) => join(e.parentPath ?? e.path, e.name).slice(folder.length + 1));
}

function run(
  cwd: string,
  words: readonly string[],
  { shell = "", env = {} }: CommandCase,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const line = `${shell} exec ${words.map((w) => `'${w.replaceAll("'", "'\\''")}'`).join(" ")}`;
  const { NO_COLOR: _a, FORCE_COLOR: _b, NODE_TEST_CONTEXT: _c, ...inherited } = process.env;
  return new Promise((resolve) => {
    execFile(
      "bash",
      ["-c", line],
      { cwd, env: { ...inherited, ...env }, timeout: 60_000 },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === "number" ? error.code : -1) : 0;
        resolve({ code, stdout, stderr });
      },
    );
  });
}
