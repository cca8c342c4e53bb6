/**
 * The folder of a run: what it is a run of, what of it is done, and who is at work in it. Everything in it is
 * replaced whole, so that a run which was stopped at any moment goes on from there.
 */
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat, truncate } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, join, resolve } from "node:path";
import { allFiles } from "../data/source.ts";
import { TagllmError } from "../errors.ts";
import { flushFolder, isTemporary, makeFolder, replaceFile, temporaryName } from "../replace-file.ts";
import { loadTag } from "../tags/file.ts";
import { tagDigest } from "../tags/tag.ts";
import { version } from "../version.ts";
import { differences } from "./differences.ts";
import type { PreparedStudy } from "./prepare.ts";

const manifestName = "run.json";
const lockName = "lock.json";

/** Where runs of this process are at work: its own lock in another folder was left by a process of the same number. */
const held = new Set<string>();

export class RunFolder {
  readonly path: string;
  readonly events: string;
  readonly checkpoint: string;
  /** The path without links while a run of this process is at work here. */
  private real: string | null = null;

  private constructor(path: string) {
    this.path = path;
    this.events = join(path, "events.jsonl");
    this.checkpoint = join(path, "checkpoint.safetensors");
  }

  /**
   * Makes the folder, or opens the one of the same run to go on in it.
   * @throws run/folder, run/changed, run/locked, run/write
   */
  static async open(
    path: string,
    prepared: PreparedStudy,
    reuse: "auto" | "none" = "auto",
  ): Promise<RunFolder> {
    const folder = new RunFolder(resolve(path));
    await folder.guarded(() => makeFolder(folder.path));
    const before = await folder.readManifest(prepared.loaded.text);
    const now = await manifestOf(prepared, reuse);
    if (before) requireSame(folder.path, before, asKnownTo(before, now));
    await folder.lock();
    try {
      await folder.removeUnfinished();
      if (!before) {
        await folder.write("study.yaml", prepared.loaded.text);
        await folder.write("study.resolved.json", `${JSON.stringify(prepared.loaded.study, null, 2)}\n`);
        await folder.write(manifestName, `${JSON.stringify(now, null, 2)}\n`);
      }
    } catch (error) {
      await folder.release();
      throw error;
    }
    return folder;
  }

  /** Ends the work in the folder, done or not. */
  async release(): Promise<void> {
    try {
      await rm(join(this.path, lockName), { force: true });
    } finally {
      this.forget();
    }
  }

  private forget(): void {
    if (this.real !== null) held.delete(this.real);
    this.real = null;
  }

  stage(seed: number, stage: string): string {
    return join(this.path, `seed-${seed}`, "stages", stage);
  }

  /** Makes a folder that appears with all its files or not at all. */
  async commit(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
    await this.guarded(async () => {
      const parent = join(folder, "..");
      await makeFolder(parent);
      const temporary = join(parent, temporaryName(basename(folder)));
      await mkdir(temporary);
      await fill(temporary);
      await flushFolder(temporary);
      await rename(temporary, folder);
      await flushFolder(parent);
    });
  }

  write(name: string, content: string | Uint8Array): Promise<void> {
    return this.guarded(() => replaceFile(join(this.path, name), content));
  }

  /** Forgets the events after the first `bytes` of the log. */
  async cutEvents(bytes: number): Promise<void> {
    const found = await stat(this.events).catch(() => null);
    if (found && found.size > bytes) await this.guarded(() => truncate(this.events, bytes));
  }

  /** What the file system throws, in words; nothing that was written before is lost. */
  async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw writeProblem(this.path, cause);
    }
  }

  /** null when no run has begun here; a run of `study` may have been stopped while it began. */
  private async readManifest(study: string): Promise<Manifest | null> {
    const names = (await readdir(this.path)).filter((n) => !isTemporary(n) && n !== lockName);
    if (names.every((n) => n === "study.yaml" || n === "study.resolved.json")) {
      const found = await readFile(join(this.path, "study.yaml"), "utf8").catch(() => study);
      if (found === study) return null;
    }
    const manifest = join(this.path, manifestName);
    try {
      return JSON.parse(await readFile(manifest, "utf8")) as Manifest;
    } catch (cause) {
      const some = `${names.slice(0, 3).join(", ")}${names.length > 3 ? ", ..." : ""}`;
      throw new TagllmError(
        "run/folder",
        `The folder ${this.path} holds ${some}, and no ${manifestName} that says of what run it is.`,
        "Choose another with --out, or remove it.",
        { cause },
      );
    }
  }

  /** One run at a time; the lock of a process that has died is taken over. */
  private async lock(): Promise<void> {
    const real = await this.guarded(() => realpath(this.path));
    if (held.has(real)) throw this.locked("another run of this process", "Wait for it or stop it.");
    held.add(real);
    this.real = real;
    try {
      await this.makeLock();
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  private locked(who: string, cure: string): TagllmError {
    return new TagllmError("run/locked", `In the run folder ${this.path} ${who} is at work.`, cure);
  }

  private async makeLock(): Promise<void> {
    const file = join(this.path, lockName);
    const text = JSON.stringify({ pid: process.pid, host: hostname() });
    for (let attempt = 0; ; attempt++) {
      try {
        const handle = await open(file, "wx");
        await handle.writeFile(text);
        await handle.close();
        return;
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw writeProblem(this.path, cause);
        const owner = await readLock(file);
        if (attempt > 0 || (owner && isAtWork(owner))) {
          const who = owner ? `process ${owner.pid} on ${owner.host}` : "another process";
          throw this.locked(who, `Wait for it or stop it; if it is gone, remove ${file}.`);
        }
        await rm(file, { force: true });
      }
    }
  }

  /** What a killed process was writing. */
  private async removeUnfinished(): Promise<void> {
    for (const entry of await readdir(this.path, { withFileTypes: true, recursive: true })) {
      if (isTemporary(entry.name))
        await rm(join(entry.parentPath ?? entry.path, entry.name), { recursive: true, force: true });
    }
  }
}

/** The process at work in a run folder, if there is one. */
export async function workerOf(folder: string): Promise<{ pid: number; host: string } | null> {
  const owner = await readLock(join(folder, lockName));
  return owner && (owner.pid === process.pid || isAtWork(owner)) ? owner : null;
}

interface Owner {
  readonly pid: number;
  readonly host: string;
}

async function readLock(file: string): Promise<Owner | null> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Owner;
  } catch {
    return null; // killed between making and filling it
  }
}

function isAtWork({ pid, host }: Owner): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** run.json, of which nothing is read but here; the rest is compared. */
interface Manifest {
  readonly engine?: { readonly reuse?: string };
}

/** All that the result depends on. */
async function manifestOf(
  { loaded, base, sources }: PreparedStudy,
  reuse: "auto" | "none",
): Promise<Manifest> {
  const data: Record<string, unknown> = {};
  for (const { name, table } of sources.values()) {
    data[name] = allFiles(table).map(({ path, sha256 }) => ({ file: basename(path), sha256 }));
  }
  const tags: Record<string, string> = {};
  for (const [name, { from }] of Object.entries(loaded.study.tags)) {
    if (from !== undefined) tags[name] = tagDigest(await loadTag(resolve(loaded.folder, from)));
  }
  const { device, threads, precision } = base.engine;
  return JSON.parse(
    JSON.stringify({
      format: "tagllm-run",
      version: 1,
      tagllm: version,
      base: base.fingerprint,
      engine: {
        device,
        threads,
        ...(precision !== "f32" && { precision }),
        reuse,
      },
      study: loaded.study,
      data,
      tags,
    }),
  ) as Manifest;
}

/** Runs from before it was kept do not say whether anything was stored. */
function asKnownTo(before: Manifest, now: Manifest): Manifest {
  if (before.engine?.reuse !== undefined || !now.engine) return now;
  const { reuse: _, ...engine } = now.engine;
  return { ...now, engine };
}

function requireSame(path: string, before: object, now: object): void {
  const changed = differences(before, now);
  if (changed.length === 0) return;
  const shown = changed.slice(0, 8).map((d) => `  - ${d.key}: ${d.before} then, ${d.after} now`);
  const more = changed.length > shown.length ? `\n  - and ${changed.length - shown.length} more` : "";
  throw new TagllmError(
    "run/changed",
    `${path} holds a run that began with something else:\n${shown.join("\n")}${more}\n`,
    "Put it back to go on with that run, or choose another folder with --out.",
  );
}

export function writeProblem(path: string, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException).code;
  if (cause instanceof TagllmError || code === undefined) return cause;
  const why = code === "ENOSPC" ? "the disk is full" : code;
  return new TagllmError(
    "run/write",
    `The run folder ${path} cannot be written: ${why}.`,
    "Make room or give the rights, then start the same command again: it goes on from the last checkpoint.",
    { cause },
  );
}
