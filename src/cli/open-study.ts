/** A study file, its base and its data, opened for a command and closed after it. */
import { type Precision, weightBits } from "../engine/precision.ts";
import { findBase } from "../hub/model.ts";
import { Base } from "../models/base.ts";
import { defaultBase } from "../models/default-base.ts";
import { loadStudy } from "../study/load.ts";
import { type PreparedStudy, prepareStudy } from "../study/prepare.ts";
import { repeatedSeed } from "../study/schema.ts";
import { downloadView } from "./download-view.ts";
import { requireGoOn } from "./interrupt.ts";
import type { Io } from "./io.ts";
import { UsageError } from "./result.ts";

export interface EngineChoice {
  device?: "cpu" | "webgpu";
  threads?: number;
  precision?: "auto" | Precision;
}

/** What opens something long, and ends in between when Ctrl-C aborts the signal. */
export type Interruptible<Choice> = Choice & { signal?: AbortSignal | undefined };

export interface StudyChoice extends EngineChoice {
  /** Instead of the study's seeds. */
  seed?: number[];
}

/** Opens the base, a folder or a hub id, and closes it after `work`, whatever happens. */
export async function withBase<T>(
  place: string,
  { device, threads, precision, signal }: Interruptible<EngineChoice>,
  { progress }: Pick<Io, "progress">,
  work: (base: Base) => Promise<T>,
): Promise<T> {
  await requireGoOn(signal);
  const base = await Base.load(place, {
    onDownload: downloadView(progress),
    ...(signal && { signal }),
    ...(device && { device }),
    ...(threads && { threads }),
    ...(precision && { precision }),
  });
  try {
    await requireGoOn(signal);
    return await work(base);
  } finally {
    await base.close();
  }
}

/** Tags are trained and tested on f32 weights. */
export function noteWeights({ progress }: Pick<Io, "progress">, { engine }: Base): void {
  const bits = weightBits(engine.precision);
  if (bits === null) return;
  progress.note(`The base's weights are in ${bits} bits: answers are not quite those of a tag's report.`);
}

export async function withStudy<T>(
  file: string,
  choice: Interruptible<StudyChoice>,
  { progress }: Pick<Io, "progress">,
  work: (prepared: PreparedStudy) => Promise<T>,
): Promise<T> {
  requireDistinct(choice.seed);
  const loaded = await loadStudy(file);
  const { study } = loaded;
  const { signal } = choice;
  const chosen = { ...loaded, study: { ...study, seeds: choice.seed ?? study.seeds } };
  const folder =
    study.base === undefined
      ? defaultBase
      : await findBase(study.base, { from: loaded.folder, onEvent: downloadView(progress), signal });
  progress.update(`loading the base ${folder} ...`);
  return withBase(folder, choice, { progress }, async (base) => {
    progress.update(`reading the data of ${study.name} ...`);
    const prepared = await prepareStudy(chosen, base);
    await requireGoOn(signal);
    return work(prepared);
  });
}

function requireDistinct(seeds: readonly number[] | undefined): void {
  const twice = repeatedSeed(seeds ?? []);
  if (twice === undefined) return;
  throw new UsageError(`--seed gives ${twice} twice.`, "Give each seed once: the same seed is the same run.");
}
