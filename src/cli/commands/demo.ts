/** `tagllm demo`: makes its own molecules and runs a study of all three stages on them. */
import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeDemoData } from "../../demo/chemistry.ts";
import { TagllmError } from "../../errors.ts";
import { makeFolder } from "../../replace-file.ts";
import { summarise } from "../../report/read-run.ts";
import type { Io } from "../io.ts";
import { type EngineChoice, withStudy } from "../open-study.ts";
import { duration } from "../progress.ts";
import type { Result } from "../result.ts";
import { grouped } from "../table.ts";
import { runPrepared } from "./train.ts";

export interface DemoChoice extends EngineChoice {
  out?: string;
}

const size = { seed: 1, molecules: 4000, pairs: 3000 };
const runName = "run";
const studyFile = fileURLToPath(new URL("../../../examples/demo/study.yaml", import.meta.url));

export async function demo(io: Io, choice: DemoChoice): Promise<Result> {
  const began = performance.now();
  const signal = io.signal();
  const folder = choice.out ?? (await ownFolder(join("runs", "demo")));
  io.progress.note(
    `Making ${grouped(size.molecules)} molecules and ${grouped(size.pairs)} pairs of them in ${folder} ...`,
  );
  await makeData(folder, signal);
  const study = join(folder, "study.yaml");
  await copyFile(studyFile, study);
  const run = join(folder, runName);
  const { text, json } = await withStudy(study, { ...choice, signal }, io, (prepared) =>
    runPrepared(io, prepared, { out: run, reuse: "auto", signal }),
  );
  const seconds = (performance.now() - began) / 1000;
  return { text: `${text}\n\n${whatYouSaw(run, study, seconds)}`, json: { ...json, seconds } };
}

async function makeData(folder: string, signal: AbortSignal): Promise<void> {
  try {
    await makeDemoData(folder, { ...size, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new TagllmError("aborted", "The demo's data is not complete.", "Start it again.");
  }
}

/** `folder`, or the first of `folder`-2, -3, ... that does not exist, is empty or holds a demo to go on with. */
async function ownFolder(folder: string): Promise<string> {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? folder : `${folder}-${n}`;
    const held = await readdir(candidate).catch(() => []);
    if (held.length > 0 && !(await isUnfinished(candidate))) continue;
    await makeFolder(candidate);
    return candidate;
  }
}

/** Whether a demo was stopped here. */
async function isUnfinished(folder: string): Promise<boolean> {
  const run = await summarise(join(folder, runName)).catch(() => null);
  return run?.state === "unfinished" && run.study === "demo";
}

function whatYouSaw(run: string, study: string, seconds: number): string {
  return `What you saw, in ${duration(seconds)}: a language model whose weights never changed learned what molecules look like (<SMILES>), then how fat-soluble one is (<LogP>) and how similar two are (<Similarity>), each as ten vectors in its input, and was tested on molecules with building blocks it had not met.

Use a tag:      tagllm predict --tag ${join(run, "tags", "LogP.safetensors")} --field "smiles=CCOc1ccccc1"
Your own data:  copy ${study}, name your table under data and your columns in the templates, then
                tagllm inspect study.yaml && tagllm train study.yaml`;
}
