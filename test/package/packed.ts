/**
 * The package as npm would publish it, made in a folder of its own so that no build in the working tree is touched,
 * and a project that has it installed: dependencies are those of the repository, so no network is needed.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const execute = promisify(execFile);
const require = createRequire(import.meta.url);
const typescript = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");

export interface Packed {
  /** Holds everything below; the caller removes it. */
  readonly folder: string;
  readonly tarball: string;
  /** A project with tagllm in its node_modules. */
  readonly project: string;
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Compiles, packs and installs. */
export async function packAndInstall(): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "tagllm-packed-"));
  const source = join(folder, "source");
  await mkdir(source);
  const { status, output } = await compile(
    ["-p", "tsconfig.build.json", "--outDir", join(source, "dist")],
    root,
  );
  if (status !== 0) throw new Error(output);
  for (const part of [
    "package.json",
    "README.md",
    "LICENSE",
    "NOTICE",
    "docs",
    "models",
    "schemas",
    "examples",
  ])
    await cp(join(root, part), join(source, part), { recursive: true });
  const { stdout } = await execute("npm", ["pack", "--silent", "--pack-destination", folder], {
    cwd: source,
  });
  const tarball = join(folder, stdout.trim().split("\n").at(-1) as string);
  const project = join(folder, "project");
  const modules = join(project, "node_modules");
  await mkdir(join(modules, "tagllm"), { recursive: true });
  await execute("tar", ["-xzf", tarball, "--strip-components=1", "-C", join(modules, "tagllm")]);
  for (const name of await readdir(join(root, "node_modules")))
    if (name !== "tagllm") await symlink(join(root, "node_modules", name), join(modules, name));
  await rm(source, { recursive: true });
  return { folder, tarball, project };
}

/** Runs TypeScript's compiler. */
export async function compile(
  words: readonly string[],
  cwd: string,
): Promise<{ status: number; output: string }> {
  const { code, stdout, stderr } = await node([typescript, ...words], cwd);
  return { status: code, output: stdout + stderr };
}

/** Runs node as a user does. */
export async function node(words: readonly string[], cwd: string): Promise<Output> {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: _o, ...env } = process.env;
  try {
    return {
      code: 0,
      ...(await execute(process.execPath, words, { cwd, env, maxBuffer: 1 << 26, timeout: 600_000 })),
    };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as Output;
    return { code: code ?? 1, stdout, stderr: stderr || String(error) };
  }
}
