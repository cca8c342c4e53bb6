/**
 * Writes what is generated from code: docs/errors.md from the table of errors, schemas/study.schema.json from
 * the zod schema of studies, and the import boundaries in biome.json. Run as `npm run docs`; a test fails when
 * one of them is out of date.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import { errorCodes } from "../src/errors.ts";
import { studySchema } from "../src/study/schema.ts";
import { writeRestrictions } from "./boundaries.ts";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** One section per area, one row per code. */
export function errorReference(codes: Readonly<Record<string, string>>): string {
  const areaOf = (code: string): string =>
    code.includes("/") ? code.slice(0, code.indexOf("/")) : "everywhere";
  const rows = Object.entries(codes);
  const sections = [...new Set(rows.map(([code]) => areaOf(code)))].map((area) => {
    const own = rows.filter(([code]) => areaOf(code) === area);
    const table = own.map(([code, meaning]) => `| \`${code}\` | ${meaning} |`).join("\n");
    return `## ${area}\n\n| code | means |\n|---|---|\n${table}\n`;
  });
  return `# Errors

Every error has a stable code, a problem that names the offending value, and a cure. The command line prints

\`\`\`text
error[data/missing]: There is no file /home/me/data/molecule.csv.
  Did you mean "molecules.csv"?
\`\`\`

and with \`--json\` one object, \`{"error": {"code", "problem", "cure"}}\` (and \`columns\` where \`learn\` or \`init\` lists those of a table). In code they are \`TagllmError\`s with the same three fields. This page is generated from \`src/errors.ts\`.

${sections.join("\n")}`;
}

/** For editors: put \`# yaml-language-server: $schema=...\` at the top of a study. */
export function studyJsonSchema(): string {
  const schema = z.toJSONSchema(studySchema, { io: "input", target: "draft-7" });
  return `${JSON.stringify({ title: "tagllm study", ...schema }, null, 2)}\n`;
}

/** Generated files by path below the root. */
export function generated(): Record<string, string> {
  return {
    "docs/errors.md": errorReference(errorCodes),
    "schemas/study.schema.json": studyJsonSchema(),
  };
}

async function main(): Promise<void> {
  for (const [path, text] of Object.entries(generated())) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  await writeRestrictions(join(root, "biome.json"));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
