/** The fenced blocks of the README and the pages in docs/: each has a language, and each language is checked. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/docs.ts";

export interface Fence {
  /** Path below the root and line of the fence, for messages. */
  readonly at: string;
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

export const pages: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** Of all pages, in order. */
export function fences(): Fence[] {
  return pages.flatMap((page) => fencesOf(page, readFileSync(join(root, page), "utf8")));
}

export function fencesOf(page: string, text: string): Fence[] {
  const found: Fence[] = [];
  let open: { line: number; language: string; lines: string[] } | null = null;
  for (const [i, line] of text.split("\n").entries()) {
    const [, language] = /^\s*```(\S*)/.exec(line) ?? [];
    if (language === undefined) open?.lines.push(line);
    else if (open === null) open = { line: i + 1, language, lines: [] };
    else {
      found.push({
        at: `${page}:${open.line}`,
        page,
        language: open.language,
        text: `${open.lines.join("\n")}\n`,
      });
      open = null;
    }
  }
  if (open) throw new Error(`${page}:${open.line}: the block is never closed`);
  return found;
}
