/** Runs another program to its end and keeps what it said. */
import { spawn } from "node:child_process";
import { delimiter } from "node:path";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface RunProgram {
  readonly cwd: string;
  /** Hears every line of stderr. */
  readonly onLine?: (line: string) => void;
  readonly env?: NodeJS.ProcessEnv;
}

export function runProgram(command: string, words: readonly string[], options: RunProgram): Promise<Ended> {
  const began = performance.now();
  const env = options.env ?? process.env;
  const child = spawn(command, words, { cwd: options.cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
    for (const line of String(chunk).split("\n")) if (line.trim()) options.onLine?.(line);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code, stdout, stderr, seconds: (performance.now() - began) / 1000 }),
    );
  });
}

/** The environment without what `npm run` of this repository put into it. */
export function userEnvironment(): NodeJS.ProcessEnv {
  const own = (name: string) => /^npm_(?!config_registry$)|^(INIT_CWD|NODE_ENV|NODE_OPTIONS)$/i.test(name);
  const kept = Object.fromEntries(Object.entries(process.env).filter(([name]) => !own(name)));
  const folders = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"));
  return { ...kept, PATH: folders.join(delimiter) };
}
