/**
 * The packed package: publint and are-the-types-wrong have nothing to say, strict projects compile against it under
 * both ways to resolve modules, and every type that its exports speak of is exported too.
 */
import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { unexportedTypes } from "./api.ts";
import { compile, node, type Packed, packAndInstall, root } from "./packed.ts";

let packed: Packed;
before(async () => {
  packed = await packAndInstall();
});
after(() => rm(packed.folder, { recursive: true }));

test("publint finds nothing", async () => {
  const cli = join(root, "node_modules", "publint", "src", "cli.js");
  const { code, stdout, stderr } = await node([cli, "run", packed.tarball, "--strict"], root);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /All good/);
});

test("are-the-types-wrong finds nothing", async () => {
  const cli = join(root, "node_modules", "@arethetypeswrong", "cli", "dist", "index.js");
  const words = [cli, packed.tarball, "--profile", "esm-only", "--format", "json"];
  const { code, stdout, stderr } = await node(words, root);
  assert.equal(code, 0, stdout + stderr);
  const { analysis } = JSON.parse(stdout) as {
    analysis: { types: unknown; problems: { kind: string; resolutionKind?: string }[] };
  };
  assert.ok(analysis.types, "the package has types");
  // Modules that only know `require` and resolution of before 2020 are what "esm-only" leaves out.
  const leftOut = ["node10", "node16-cjs"];
  assert.deepEqual(
    analysis.problems.filter(({ resolutionKind = "" }) => !leftOut.includes(resolutionKind)),
    [],
  );
});

for (const [name, options] of Object.entries({
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
})) {
  test(`a strict project compiles against it (${name})`, async () => {
    const folder = join(packed.project, name);
    await mkdir(folder);
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    const compilerOptions = {
      ...options,
      strict: true,
      target: "es2023",
      types: ["node"],
      noEmit: true,
      skipLibCheck: false,
    };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions }));
    await writeFile(
      join(folder, "use.ts"),
      `import { Base, defaultBase, predict, type Prediction, type Report, type Tag } from "tagllm";
export async function ask(tags: Map<string, Tag>, report: Report): Promise<number | string | undefined> {
  const base = await Base.load(defaultBase);
  const [first]: Prediction[] = await predict(base, tags, "Solubility", [{ smiles: "CCO" }]);
  const mean: number | undefined = report.stages[0]?.tasks[0]?.methods[0]?.mean.rmse;
  return first?.values.solubility ?? mean;
}
// @ts-expect-error: rows are text
export const wrong = (base: Base, tags: Map<string, Tag>) => predict(base, tags, "Solubility", [{ smiles: 1 }]);
`,
    );
    const { status, output } = await compile(["-p", "."], folder);
    assert.equal(status, 0, output);
  });
}

test("every type that the exports speak of is exported", () => {
  const entry = join(packed.project, "node_modules", "tagllm", "dist", "index.d.ts");
  assert.deepEqual(unexportedTypes(entry), []);
});
