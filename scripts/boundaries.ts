/**
 * Which folder of src may import which, as one list; `npm run docs` writes it into biome.json as lint rules.
 * A folder may import the folders below it and never one above it, so the sentence in docs/glossary.md
 * (rows -> prompt -> ids and vectors -> graph -> engine -> loss -> tag) can be read in one direction.
 */
import { readFile, writeFile } from "node:fs/promises";

/** From the top down. Beside them stand a few files (errors.ts and its kind) that import no folder. */
export const folders = [
  "cli",
  "learn",
  "report",
  "study",
  "train",
  "generate",
  "batch",
  "tags",
  "evaluate",
  "prompts",
  "data",
  "demo",
  "models",
  "engine",
  "graph",
  "tokenizer",
  "hub",
  "weights",
] as const;

/** Each native library has one folder that knows it. */
const libraries = {
  "onnxruntime-node": { owner: "engine", message: "Only src/engine knows which runtime there is." },
  "@duckdb/node-api": { owner: "data", message: "Only src/data reads and writes with DuckDB." },
  "@huggingface/hub": { owner: "hub", message: "Only src/hub speaks with the hub." },
} as const;

interface Restriction {
  includes: string[];
  linter: { rules: { style: { noRestrictedImports: { level: "error"; options: object } } } };
}

/** Biome's `overrides`: one rule per folder, one for the files beside them, one for the library's entry. */
export function restrictions(): Restriction[] {
  const rules = folders.map((folder, index) => {
    const above = folders.slice(0, index);
    const forbidden = [
      ...above.flatMap((name) => [`../${name}/**`, `../../${name}/**`]),
      "../index.ts",
      "../../index.ts",
    ];
    const message = `src/${folder} may import only what is below it: ${below(index)}.`;
    return restriction(`src/${folder}/**`, forbidden, message, folder);
  });
  const beside = restriction("src/*.ts", ["./*/**"], "Files beside the folders of src import none of them.");
  beside.includes.push("!src/index.ts");
  return [...rules, beside, restriction("src/index.ts", ["./cli/**"], "The library has no command line.")];
}

function below(index: number): string {
  return [...folders.slice(index + 1), "the files beside the folders"].join(", ");
}

function restriction(includes: string, group: string[], message: string, folder?: string): Restriction {
  const hidden = Object.entries(libraries).filter(([, { owner }]) => owner !== folder);
  const paths = Object.fromEntries(hidden.map(([name, library]) => [name, library.message]));
  const options = { paths, patterns: [{ group, message }] };
  return {
    includes: [includes],
    linter: { rules: { style: { noRestrictedImports: { level: "error", options } } } },
  };
}

/** Puts the rules into a Biome configuration and leaves the rest of it as it is. */
export async function writeRestrictions(file: string): Promise<void> {
  const configuration = JSON.parse(await readFile(file, "utf8")) as object;
  const text = JSON.stringify({ ...configuration, overrides: restrictions() }, null, 2);
  await writeFile(file, `${text}\n`);
}
