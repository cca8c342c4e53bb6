/** Point 3.6: pictures of the report at 1280 pixels and on A4, and what of it can be checked without eyes. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../src/cli/progress.ts";
import { Base } from "../src/models/base.ts";
import { defaultBase } from "../src/models/default-base.ts";
import { describeRun } from "../src/report/document.ts";
import { toHtml } from "../src/report/html.ts";
import { layoutOf, print, screenshot } from "./chromium.ts";
import { pageFaults } from "./html.ts";
import { pageTools, sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { reportStudies } from "./report-studies.ts";
import { runStudyFile } from "./studies.ts";

const SCREEN = 1280;
/** Sections that the issue asks for, as they are called in a page. */
const parts = [
  "Read first",
  "strongest baseline",
  "95 % interval",
  "Training loss",
  "Gradient norm",
  "predicted = true",
  "Worst test rows",
  "Structure of ",
  "(down) and predicted (across)",
  "nearest tokens",
  "Cosine between tags",
  "A row of the vocabulary has norm",
  "rows dropped",
  " cut in ",
  "of them seen by the base",
  "test rows shared with training",
  "sha256",
  "tagllm train ",
  "Node.js",
];

export const reportPages: Point = {
  id: "3.6",
  asked: `Screenshots of the report at ${SCREEN} px and on A4 (with --out they stay there): a run of a domain, a number, classes and text over two seeds, a run with every warning, both in one page. Self-contained, no scripts, nothing loaded, well-formed HTML, headings in order, every picture with a text, no sideways scrolling, A4 pages.`,
  needs: [sharedData, pageTools],
  async run({ progress, folder }) {
    const home = await folder();
    const pages = await makePages(home, progress);
    const checks: Check[] = [];
    for (const [name, file] of pages) {
      progress.note(`${name}: pictures ...`);
      checks.push(...(await checkPage(name, file, join(home, name))));
    }
    const all = (await Promise.all(pages.map(([, file]) => readFile(file, "utf8")))).join("\n");
    const missing = parts.filter((part) => !all.includes(part));
    checks.push({
      what: "all that the issue asks for is in them",
      found: missing.length ? `missing: ${missing.join("; ")}` : `${parts.length} parts`,
      pass: missing.length === 0,
    });
    return { measured: `${checkLines(checks)}\n\npictures: ${home}/*.png`, pass: allPass(checks) };
  },
};

async function makePages(home: string, progress: Progress): Promise<[name: string, file: string][]> {
  const runs: string[] = [];
  for (const [i, study] of (await reportStudies(home)).entries()) {
    const out = join(home, `run-${i + 1}`);
    await runStudyFile(study, out, progress);
    runs.push(out);
  }
  const base = await Base.load(defaultBase);
  try {
    const documents = await Promise.all(runs.map((run) => describeRun(run, base)));
    const [full, warned] = documents.map((d) => [d]);
    const pages = { full, warned, both: documents };
    const files: [string, string][] = [];
    for (const [name, content = []] of Object.entries(pages)) {
      const file = join(home, `${name}.html`);
      await writeFile(file, toHtml(content));
      files.push([name, file]);
    }
    return files;
  } finally {
    await base.close();
  }
}

async function checkPage(name: string, file: string, prefix: string): Promise<Check[]> {
  const html = await readFile(file, "utf8");
  const faults = Object.entries(pageFaults(html)).flatMap(([kind, found]) =>
    found.map((f: string) => `${kind}: ${f}`),
  );
  const { width, height, resources } = await layoutOf(file, SCREEN);
  await screenshot(file, SCREEN, height, `${prefix}-${SCREEN}.png`);
  const { pages, size } = await print(file, `${prefix}-a4`);
  return [
    {
      what: `${name}: well formed, nothing to load or run, headings in order, pictures with texts`,
      found: faults.slice(0, 5).join("; ") || `${Math.round(html.length / 1024)} KB, no fault`,
      pass: faults.length === 0,
    },
    {
      what: `${name}: loads nothing in Chromium and does not scroll sideways at ${SCREEN} px`,
      found: `${resources.length} resources, ${width} x ${height} px`,
      pass: resources.length === 0 && width <= SCREEN,
    },
    { what: `${name}: on A4`, found: `${pages} pages of ${size}`, pass: pages > 0 && /A4/.test(size) },
  ];
}
