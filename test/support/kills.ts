/** Kills a study's process again and again until it is done, and says what then lies in its folder. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly seconds: number;
}

export interface Killing {
  /** Sends `signal` (default SIGKILL) after so many milliseconds ... */
  readonly after?: number;
  /** ... or as soon as the process has said this on stderr. */
  readonly said?: string;
  readonly signal?: NodeJS.Signals;
  /** As killer.mjs has it. */
  readonly inside?: string;
}

/** Runs `tagllm train STUDY --out OUT`, with a checkpoint after every step, and kills it as told. */
export function trainProcess(study: string, out: string, killing: Killing = {}): Promise<Ending> {
  const began = performance.now();
  const killer = join(root, "test", "support", "killer.mjs");
  const words = ["--import", "tsx", ...(killing.inside ? ["--import", killer] : [])];
  const command = [join(root, "src", "cli", "main.ts"), "train", study, "--out", out, "--checkpoint", "0"];
  const child = spawn(process.execPath, [...words, ...command], {
    cwd: root,
    env: { ...process.env, KILL_IN: killing.inside ?? "" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  const kill = () => child.kill(killing.signal ?? "SIGKILL");
  child.stderr.on("data", (chunk: Buffer) => {
    const heard = killing.said !== undefined && !stderr.includes(killing.said);
    stderr += chunk.toString();
    if (heard && stderr.includes(killing.said as string)) kill();
  });
  const timer = killing.after === undefined ? null : setTimeout(kill, killing.after);
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      if (timer) clearTimeout(timer);
      resolve({ code, signal, stderr, seconds: (performance.now() - began) / 1000 });
    });
  });
}

/** sha256 of every tag file of a run, by its path in the run folder. */
export async function tagHashes(out: string): Promise<Record<string, string>> {
  const entries = await readdir(out, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((e) => e.isFile() && e.name.endsWith(".safetensors"))
    .map((e) => join(e.parentPath, e.name))
    .sort();
  const hashes = await Promise.all(
    files.map(async (file) => [
      relative(out, file),
      createHash("sha256")
        .update(await readFile(file))
        .digest("hex"),
    ]),
  );
  return Object.fromEntries(hashes);
}
