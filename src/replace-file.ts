/** Writes a file so that it is complete or as it was before, also after a crash or a power cut. */
import { randomUUID } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

/** Names of unfinished files, which a crash may leave behind. */
export const isTemporary = (name: string): boolean => /^\..*\.tmp$/.test(name);

export const temporaryName = (name: string): string => `.${name}.${randomUUID()}.tmp`;

/** Temporary file beside it, flushed, renamed over it, folder flushed. Throws what the file system throws. */
export async function replaceFile(file: string, content: Uint8Array | string): Promise<void> {
  const folder = dirname(resolve(file));
  const temporary = join(folder, temporaryName(basename(file)));
  await makeFolder(folder);
  try {
    await writeFlushed(temporary, content);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await flushFolder(folder);
}

/** A folder and those above it. Node's own `recursive` never returns where the system refuses with ENOENT (/proc). */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    const parent = dirname(resolve(path));
    if (code !== "ENOENT" || parent === resolve(path)) throw error;
    await makeFolder(parent);
    await mkdir(path).catch((again: NodeJS.ErrnoException) => {
      if (again.code !== "EEXIST") throw again;
    });
  }
}

async function writeFlushed(file: string, content: Uint8Array | string): Promise<void> {
  const handle = await open(file, "wx");
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a rename in it last through a power cut; Windows has no such call. */
export async function flushFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
