/** Point 5.1: every family of base models against Hugging Face's own numbers, and what Tag-LLM does on each. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Table, textTable } from "../bench/table.ts";
import type { Device } from "../src/graph/lower.ts";
import { openBareBase } from "../test/support/bare-base.ts";
import { cachedErrors, greedyIds } from "../test/support/cached-decoding.ts";
import { storedSpanError, tagGradientErrors } from "../test/support/family-checks.ts";
import {
  type Checked,
  checkOpenModel,
  goldenFolders,
  sharedFolder,
  toleranceOf,
} from "../test/support/goldens.ts";
import { readGolden } from "../test/support/tensors.ts";
import { hasWebGpu } from "../test/support/webgpu.ts";
import { type FamilyRow, familiesPage } from "./families-page.ts";
import { sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { root } from "./studies.ts";

const PAGE = join(root, "docs/families.md");
const SAME = 1e-5;
const ON_WEBGPU = 1e-4;
const forms = ["config.json", "config.v5.json"];

export const families: Point = {
  id: "5.1",
  asked:
    "All goldens within the stated tolerances (logits and hidden states 2e-5, gradients 5e-5, greedy ids exact), in both config forms; cached decoding equals the full pass; stored spans are tested in every family; support table generated.",
  needs: [sharedData],
  async run({ progress }) {
    const webgpu = await hasWebGpu();
    const measured: Measured[] = [];
    for (const name of goldenFolders) {
      progress.update(`${name} ...`);
      const began = performance.now();
      const family = await familyOf(name);
      const first = !measured.some((m) => m.family === family);
      measured.push(await measure(name, family, webgpu && first));
      progress.note(`${name}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
    }
    progress.clear();
    const checks = checksOf(measured, webgpu);
    const lines = [textTable(tableOf(measured)), "", checkLines(checks)];
    if (webgpu) {
      await writeFile(PAGE, familiesPage(rowsOf(measured)));
      lines.push("", "docs/families.md was written.");
    } else lines.push("", "No WebGPU adapter: docs/families.md was left as it is.");
    return { measured: lines.join("\n"), pass: allPass(checks) };
  },
};

interface Measured {
  readonly name: string;
  readonly family: string;
  readonly placement: "any" | "fixed";
  readonly windows: boolean;
  readonly longRope: boolean;
  /** By form of the config. */
  readonly goldens: readonly Checked[];
  readonly tags: readonly Checked[];
  readonly cached: readonly Checked[];
  readonly spans: number;
  /** Of a family's first folder; null where there is no adapter. */
  readonly webgpu: number | null;
}

async function familyOf(name: string): Promise<string> {
  const text = await readFile(`${sharedFolder}golden/${name}/golden.json`, "utf8");
  return (JSON.parse(text) as { family: string }).family;
}

async function measure(name: string, family: string, webgpu: boolean): Promise<Measured> {
  const folder = `${sharedFolder}golden/${name}`;
  const file = `${folder}/golden.safetensors`;
  const golden = await readGolden(file);
  const goldens: Checked[] = [];
  for (const form of forms.slice(1)) {
    goldens.push(...(await withFolder(folder, "cpu", form, (base) => checkOpenModel(form, base, file))));
  }
  return withFolder(folder, "cpu", forms[0] as string, async (base) => {
    goldens.push(...(await checkOpenModel(forms[0] as string, base, file)));
    const tags: Checked[] = [];
    for (const reuse of ["none", "prefix"] as const)
      tags.push(...asChecked(reuse, await tagGradientErrors(base, golden, reuse)));
    const { logits, greedyLogits } = await cachedErrors(base, golden);
    const wanted = [...(golden.get("greedy_ids")?.data ?? [])];
    const [written = []] = await greedyIds(base, golden, wanted.length);
    const wrong = wanted.filter((id, i) => id !== written[i]).length;
    const { placement, windows, ropes } = base.architecture;
    return {
      name,
      family,
      placement,
      windows: windows.some((window) => window !== null),
      longRope: ropes.some((rope) => rope.regime(Number.MAX_SAFE_INTEGER) > 0),
      goldens,
      tags,
      cached: asChecked("cached", { logits, "greedy logits": greedyLogits, greedy_ids: wrong }),
      spans: await storedSpanError(base),
      webgpu: webgpu
        ? await withFolder(folder, "webgpu", forms[0] as string, async (gpu) =>
            Math.max(...Object.values(await tagGradientErrors(gpu, golden, "none"))),
          )
        : null,
    };
  });
}

async function withFolder<T>(
  folder: string,
  device: Device,
  config: string,
  work: (base: Awaited<ReturnType<typeof openBareBase>>) => Promise<T>,
): Promise<T> {
  const base = await openBareBase(folder, { device, threads: 1 }, config);
  try {
    return await work(base);
  } finally {
    await base.close();
  }
}

const asChecked = (group: string, errors: Record<string, number>): Checked[] =>
  Object.entries(errors).map(([name, error]) => ({
    name: `${group}: ${name}`,
    error,
    tolerance: toleranceOf(name),
  }));

const isWithin = ({ error, tolerance }: Checked): boolean => error <= tolerance;
const worst = (checked: readonly Checked[], word: RegExp): string =>
  Math.max(...checked.filter(({ name }) => word.test(name)).map(({ error }) => error)).toExponential(1);

function tableOf(measured: readonly Measured[]): Table {
  const rows = measured.map(({ name, goldens, tags, cached, spans, webgpu }) => [
    name,
    worst(goldens, /logits|hidden|layer_out/),
    worst(goldens, /grad/),
    worst(goldens, /loss/),
    String(goldens.filter((c) => /greedy/.test(c.name) && !isWithin(c)).length),
    worst(tags, /grad/),
    worst(cached, /logits/),
    spans.toExponential(1),
    webgpu === null ? "-" : webgpu.toExponential(1),
  ]);
  const header = [
    "folder",
    "states, logits",
    "gradients",
    "losses",
    "greedy wrong",
    "tag gradients",
    "cached",
    "stored spans",
    "webgpu",
  ];
  return [header, ...rows];
}

function checksOf(measured: readonly Measured[], webgpu: boolean): Check[] {
  const within = (what: string, of: (m: Measured) => readonly Checked[]): Check => {
    const all = measured.flatMap(of);
    const good = all.filter(isWithin).length;
    return { what, found: `${good} of ${all.length}`, pass: all.length > 0 && good === all.length };
  };
  const below = (what: string, most: number, of: (m: Measured) => number): Check => {
    const largest = Math.max(...measured.map(of));
    return { what, found: `largest difference ${largest.toExponential(1)}`, pass: largest < most };
  };
  return [
    within(`golden numbers of ${measured.length} folders, both forms of the config`, (m) => m.goldens),
    within("a tag's gradients and predictions, whole and behind a stored prefix", (m) => m.tags),
    within("decoding one token at a time: logits and greedy tokens", (m) => m.cached),
    below("stored spans and prefixes against whole prompts", SAME, (m) => m.spans),
    ...(webgpu
      ? [
          below(
            "a tag's gradients and predictions on webgpu, a folder of each family",
            ON_WEBGPU,
            (m) => m.webgpu ?? 0,
          ),
        ]
      : []),
  ];
}

function rowsOf(measured: readonly Measured[]): FamilyRow[] {
  return [...new Set(measured.map((m) => m.family))].sort().map((family): FamilyRow => {
    const own = measured.filter((m) => m.family === family);
    const all = (of: (m: Measured) => readonly Checked[]) => own.every((m) => of(m).every(isWithin));
    return {
      family,
      goldens: own.map((m) => m.name),
      numbers: all((m) => m.goldens),
      tags: all((m) => m.tags),
      decoding: all((m) => m.cached),
      stored: own.every((m) => m.spans < SAME),
      placement: own.every((m) => m.placement === "any") ? "any" : "fixed",
      windows: own.some((m) => m.windows),
      longRope: own.some((m) => m.longRope),
      webgpu: (own[0]?.webgpu ?? Number.NaN) < ON_WEBGPU,
    };
  });
}
