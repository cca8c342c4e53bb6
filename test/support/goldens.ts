/**
 * Every golden number of the project in one list: models (Hugging Face's and PyTorch's numbers), tags and head,
 * twenty steps of AdamW. What needs ../shared is left out where that folder is absent.
 */
import { existsSync } from "node:fs";
import { Base } from "../../src/models/base.ts";
import { adamwErrors, adamwRuns } from "./adamw-golden.ts";
import { checkModelGolden, goldenErrors } from "./model-golden.ts";
import { goldenPath, tagGoldenErrors } from "./tag-golden.ts";
import { readGolden } from "./tensors.ts";

export interface Checked {
  readonly name: string;
  /** max|x - g| / max|g| */
  readonly error: number;
  readonly tolerance: number;
}

const root = new URL("../../", import.meta.url).pathname;
export const sharedFolder = new URL("../../../shared/", import.meta.url).pathname;
export const polyglotFolder = `${root}models/polyglot-5m`;

export interface ModelGolden {
  readonly name: string;
  readonly folder: string;
  readonly golden: string;
  readonly config?: string;
}

const tiny = (name: string): ModelGolden => ({
  name,
  folder: `${root}test/golden/${name}`,
  golden: `${root}test/golden/${name}/golden.safetensors`,
});

/** Goldens that this repository holds. */
export const ownModels: readonly ModelGolden[] = [
  { name: "polyglot-5m", folder: polyglotFolder, golden: goldenPath("polyglot-5m") },
  tiny("llama-biased"),
  tiny("llama-plain"),
];

/** Folders of ../shared/golden: Hugging Face's own numbers for each family. */
export const goldenFolders = [
  "llama",
  "llama-linear",
  "llama-llama3",
  "mistral",
  "mistral-nowindow",
  "qwen2",
  "qwen2-nowindow",
  "qwen3",
  "gemma2",
  "gemma3",
  "phi3",
  "phi3-longrope",
  "phi3-longrope-switch",
  "gpt2",
  "gpt2-hub",
  "gpt_neox",
  "olmo2",
  "granite",
  "smollm3",
  "cohere",
] as const;

/** Goldens of which ../shared holds the checkpoint. */
export const sharedModels: readonly ModelGolden[] = [
  {
    name: "tinystories-656k",
    folder: `${sharedFolder}models/tinystories-656k`,
    golden: goldenPath("tinystories-656k"),
  },
  ...["llama", "llama-linear", "llama-llama3"].flatMap((name) =>
    ["config.json", "config.v5.json"].map((config) => ({
      name: `${name} ${config}`,
      folder: `${sharedFolder}golden/${name}`,
      golden: `${sharedFolder}golden/${name}/golden.safetensors`,
      config,
    })),
  ),
];

export const tagFiles = ["tags-p1-isolated", "tags-p1-plain", "tags-p10-isolated", "tags-p10-plain"] as const;

/** The tolerances of the goldens' README; greedy continuations are exact. */
export function toleranceOf(name: string): number {
  if (name === "greedy_ids") return 0;
  return name.startsWith("grad") ? 5e-5 : 2e-5;
}

/** Twenty steps: losses and learning rates as the issue asks, values as far as f32 moments allow. */
const ADAMW_TOLERANCE = 1e-4;

const listed = (group: string, errors: Record<string, number>, tolerance = toleranceOf): Checked[] =>
  Object.entries(errors).map(([name, error]) => ({
    name: `${group}: ${name}`,
    error,
    tolerance: tolerance(name),
  }));

export async function checkModel({ name, folder, golden, config }: ModelGolden): Promise<Checked[]> {
  return listed(name, await checkModelGolden(folder, golden, config));
}

/** As `checkModel`, on a base that is open. */
export async function checkOpenModel(name: string, base: Base, golden: string): Promise<Checked[]> {
  return listed(name, await goldenErrors(base, await readGolden(golden)));
}

export async function checkTags(base: Base, file: string): Promise<Checked[]> {
  const errors: Checked[] = [];
  for (const reuse of ["none", "spans", "prefix"] as const) {
    const found = await tagGoldenErrors(base, file, { reuse, tokens: 512 });
    errors.push(...listed(`${file}, ${reuse} stored`.replace("none", "nothing"), found));
  }
  return errors;
}

export async function checkAdamW(base: Base, run: (typeof adamwRuns)[number]): Promise<Checked[]> {
  const errors = await adamwErrors(base, run, "none");
  return listed(`20 steps, ${run.file} ${run.name}`, errors, () => ADAMW_TOLERANCE);
}

export async function checkAllGoldens(): Promise<Checked[]> {
  const checked: Checked[] = [];
  const models = existsSync(sharedFolder) ? [...ownModels, ...sharedModels] : ownModels;
  for (const model of models) checked.push(...(await checkModel(model)));
  const base = await Base.load(polyglotFolder);
  try {
    for (const file of tagFiles) checked.push(...(await checkTags(base, file)));
    for (const run of adamwRuns) checked.push(...(await checkAdamW(base, run)));
  } finally {
    await base.close();
  }
  return checked;
}
