import { resolve } from "node:path";

/** Each file or folder once, as it was first spelt. */
export function distinctPaths(paths: readonly string[]): string[] {
  const found = new Map<string, string>();
  for (const path of paths) if (!found.has(resolve(path))) found.set(resolve(path), path);
  return [...found.values()];
}
