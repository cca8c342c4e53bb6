/**
 * Import boundaries hold because lint says so: a forbidden import fails, a permitted one passes, and the rules
 * in biome.json are those of the list in scripts/boundaries.ts.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { folders, restrictions } from "../../scripts/boundaries.ts";
import { root } from "../../scripts/docs.ts";

const biome = join(
  createRequire(import.meta.url).resolve("@biomejs/biome/package.json"),
  "..",
  "bin",
  "biome",
);

/** What Biome says about a file of `folder` that holds `source`; null when it is content. */
function lint(folder: string, source: string): string | null {
  const file = join(root, "src", folder, `boundary-${process.pid}.ts`);
  try {
    writeFileSync(file, source);
    const options = ["lint", "--colors=off", "--only=style/noRestrictedImports", file];
    const { status, stdout, stderr } = spawnSync(process.execPath, [biome, ...options], {
      cwd: root,
      encoding: "utf8",
    });
    return status === 0 ? null : `${stdout}${stderr}`;
  } finally {
    rmSync(file, { force: true });
  }
}

test("an import from above fails, in every way to write one", () => {
  const ways = [
    'import { train } from "../train/trainer.ts";',
    'import type { Study } from "../study/schema.ts";',
    'export { train } from "../train/trainer.ts";',
    'export * from "../index.ts";',
    'export const later = import("../cli/main.ts");',
  ];
  for (const way of ways) {
    assert.match(lint("graph", `${way}\n`) ?? "", /src\/graph may import only what is below it/, way);
  }
});

test("the runtime is imported by the engine alone", () => {
  const source = 'import * as ort from "onnxruntime-node";\nexport const version = ort.env.versions;\n';
  assert.match(lint("models", source) ?? "", /Only src\/engine knows which runtime there is/);
  assert.match(lint("cli", source) ?? "", /Only src\/engine/);
  assert.equal(lint("engine", source), null);
});

test("imports from below and from the same folder pass", () => {
  assert.equal(lint("engine", 'export * from "../graph/graph.ts";\nexport * from "../errors.ts";\n'), null);
  assert.equal(lint("study", 'export * from "./schema.ts";\nexport * from "../train/trainer.ts";\n'), null);
});

test("every pair of folders: the upper may import the lower, the lower not the upper", () => {
  const rules = restrictions();
  for (const [upper, name] of folders.entries()) {
    for (const lower of folders.slice(upper + 1)) {
      const of = (folder: string) =>
        JSON.stringify(rules.find(({ includes }) => includes[0] === `src/${folder}/**`));
      assert.ok(of(lower).includes(`"../${name}/**"`), `${lower} must not import ${name}`);
      assert.ok(!of(name).includes(`"../${lower}/**"`), `${name} may import ${lower}`);
    }
  }
});

test("every folder of src is in the list", () => {
  for (const entry of readdirSync(join(root, "src"), { withFileTypes: true })) {
    if (entry.isDirectory()) assert.ok((folders as readonly string[]).includes(entry.name), entry.name);
  }
});

test("biome.json holds the rules of the list", () => {
  const configuration = JSON.parse(readFileSync(join(root, "biome.json"), "utf8")) as { overrides: unknown };
  assert.deepEqual(configuration.overrides, restrictions());
});
