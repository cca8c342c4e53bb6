/** Point 2.4: our numbers against Hugging Face's and PyTorch's, our gradients against finite differences. */
import { type Table, textTable } from "../bench/table.ts";
import { withBase } from "../src/cli/open-study.ts";
import type { Progress } from "../src/cli/progress.ts";
import { defaultBase } from "../src/models/default-base.ts";
import { TOLERANCE } from "../test/graph/finite-differences.ts";
import { type Checked, checkAllGoldens, tagFiles, toleranceOf } from "../test/support/goldens.ts";
import { tagGoldenErrors } from "../test/support/tag-golden.ts";
import { sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { allTestsPass, runTestFiles } from "./test-files.ts";

/** So few that the four prompts of a golden run apart, by length, and their sums are put together. */
const FEW_TOKENS = 64;
const testFiles = ["gradients", "differentiate", "graph", "dumps", "lower"].map(
  (name) => `test/graph/${name}.test.ts`,
);

export const oracles: Point = {
  id: "2.4",
  asked:
    "Logits, layers and gradients equal Hugging Face's (2e-5, gradients 5e-5) for polyglot-5m, tinystories-656k and the golden Llamas; tag and head gradients equal PyTorch's with isolation on and off, p = 1 and 10, accumulated over unequal lengths; every gradient rule equals finite differences; 20 AdamW steps equal PyTorch's (1e-4).",
  needs: [sharedData],
  async run({ progress }) {
    progress.update("comparing golden numbers ...");
    const checked = [...(await checkAllGoldens()), ...(await accumulated(progress))];
    progress.update("comparing gradients with finite differences ...");
    const rules = await finiteDifferences();
    progress.clear();
    const within = checked.filter(isWithin).length;
    const goldens: Check = {
      what: "golden numbers within their tolerance",
      found: `${within} of ${checked.length}`,
      pass: within === checked.length,
    };
    const checks = [goldens, ...rules];
    return { measured: `${textTable(tableOf(checked))}\n\n${checkLines(checks)}`, pass: allPass(checks) };
  },
};

const isWithin = ({ error, tolerance }: Checked): boolean => error <= tolerance;

function accumulated(progress: Progress): Promise<Checked[]> {
  return withBase(defaultBase, {}, { progress }, async (base) => {
    const all: Checked[] = [];
    for (const file of tagFiles) {
      const errors = await tagGoldenErrors(base, file, { reuse: "none", tokens: FEW_TOKENS });
      for (const [name, error] of Object.entries(errors)) {
        all.push({ name: `${file}, accumulated: ${name}`, error, tolerance: toleranceOf(name) });
      }
    }
    return all;
  });
}

/** A row per group of numbers: how many, and the one that comes nearest to its tolerance or passes it. */
function tableOf(checked: readonly Checked[]): Table {
  const groupOf = ({ name }: Checked) => name.slice(0, name.lastIndexOf(": "));
  const rows = [...new Set(checked.map(groupOf))].map((group) => {
    const members = checked.filter((c) => groupOf(c) === group);
    const worst = members.reduce((a, b) =>
      b.error / (b.tolerance || 1) > a.error / (a.tolerance || 1) ? b : a,
    );
    const name = worst.name.slice(group.length + 2);
    const verdict = members.every(isWithin) ? "yes" : "NO";
    return [
      group,
      String(members.length),
      name,
      worst.error.toExponential(1),
      worst.tolerance.toExponential(0),
      verdict,
    ];
  });
  return [["compared", "numbers", "worst", "its error", "tolerance", "within"], ...rows];
}

/** The tests of the graph: each rule 16 times on random shapes, and what else can be said without a model. */
async function finiteDifferences(): Promise<Check[]> {
  const run = await runTestFiles(testFiles);
  const errors = [...run.stdout.matchAll(/(\d+) uses, largest error (\S+)/g)];
  const [rules, largest] = [errors.length, Math.max(...errors.map((e) => Number(e[2])))];
  return [
    {
      what: "gradients of every rule equal finite differences",
      found: `${rules} operators on random shapes, largest error ${largest.toExponential(1)}`,
      pass: rules > 0 && largest < TOLERANCE,
    },
    allTestsPass("tests of graph and differentiation", run),
  ];
}
