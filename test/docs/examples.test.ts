/**
 * Every TypeScript block of the README and docs/ compiles as a strict project's code against the packed package and
 * runs to its end, in the order of the pages, in one folder with a small table and a trained study.
 */
import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { compile, node, type Packed, packAndInstall } from "../package/packed.ts";
import { type Fence, fences } from "./fences.ts";

const examples = fences().filter(({ language }) => language === "ts");
/** Some use what others train: the study first, then docs/api.md, then the other pages. */
const turn = ({ page, text }: Fence): number =>
  text.includes("runStudy") ? 0 : page === "docs/api.md" ? 1 : 2;
const ordered = [...examples].sort((a, b) => turn(a) - turn(b));
const nameOf = (i: number) => `example-${i + 1}`;

/**
 * What is made smaller so that the pages run in a minute: `learn` gets six seconds, one seed and the domain tag that
 * is there already; stages of the study get three steps.
 */
const smaller = (code: string): string =>
  code.replaceAll(/minutes: 5\b/g, 'minutes: 0.1, seeds: 1, tags: "runs/solubility/tags"');
const fewSteps = (study: string): string =>
  study.replaceAll(/^( +)train: .*$/gm, "$&\n$1steps: 3\n$1batch: 4");

let packed: Packed;

before(async () => {
  packed = await packAndInstall();
  const { project } = packed;
  const readme = fences().find(({ page, language }) => page === "README.md" && language === "yaml");
  await writeFile(join(project, "study.yaml"), fewSteps(readme?.text ?? ""));
  await writeFile(join(project, "molecules.csv"), molecules());
  await writeFile(join(project, "package.json"), '{ "type": "module" }');
  await mkdir(join(project, "src"));
  for (const [i, { text }] of ordered.entries())
    await writeFile(join(project, "src", `${nameOf(i)}.ts`), smaller(text));
  const compilerOptions = {
    module: "nodenext",
    target: "es2023",
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    types: ["node"],
    rootDir: "src",
    outDir: "out",
  };
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["src"] }));
});
after(() => rm(packed.folder, { recursive: true }));

test("all of them compile", async () => {
  assert.ok(ordered.length >= 8);
  const { status, output } = await compile(["-p", "."], packed.project);
  assert.equal(status, 0, output);
});

for (const [i, { at, text }] of ordered.entries()) {
  test(`${at} runs`, async () => {
    const { code, stderr, stdout } = await node([join("out", `${nameOf(i)}.js`)], packed.project);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim() !== "", text.includes("console.log"), "it prints what it says it prints");
  });
}

/** 120 alkanes, ethers and amines. */
function molecules(): string {
  const rows = Array.from({ length: 120 }, (_, i) => {
    const [left, right] = [1 + (i % 10), 1 + Math.floor(i / 30)];
    const middle = ["O", "N", "", "S"][Math.floor(i / 10) % 3] as string;
    const smiles = `${"C".repeat(left)}${middle}${"C".repeat(right)}`;
    const value = (1.5 - 0.5 * (left + right) + 2 * middle.length + (i % 7) / 10).toFixed(2);
    return `${smiles},${value},${value}`;
  });
  return `smiles,logS,solubility\n${rows.join("\n")}\n`;
}
