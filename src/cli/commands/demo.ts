/** `tagllm demo`: makes its own molecules and runs a study of all three stages on them. */
import { join } from "node:path";
import { makeDemoData } from "../../demo/chemistry.ts";
import { TagllmError } from "../../errors.ts";
import { openFolder, runName, studyName } from "../demo-folder.ts";
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

export async function demo(io: Io, choice: DemoChoice): Promise<Result> {
  const began = performance.now();
  const signal = io.signal();
  const folder = await openFolder(choice.out);
  io.progress.note(
    `Making ${grouped(size.molecules)} molecules and ${grouped(size.pairs)} pairs of them in ${folder} ...`,
  );
  await makeData(folder, signal);
  const study = join(folder, studyName);
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

function whatYouSaw(run: string, study: string, seconds: number): string {
  return `What you saw, in ${duration(seconds)}: a language model whose weights never changed learned what molecules look like (<SMILES>), then how fat-soluble one is (<LogP>) and how similar two are (<Similarity>), each as ten vectors in its input, and was tested on molecules with building blocks it had not met.

Use a tag:      tagllm predict --tag ${join(run, "tags", "LogP.safetensors")} --field "smiles=CCOc1ccccc1"
Your own data:  copy ${study}, name your table under data and your columns in the templates, then
                tagllm inspect study.yaml && tagllm train study.yaml`;
}
