/**
 * Chooses length, learning rate and steps of a function tag on the validation rows. Many short trials, then
 * longer ones of the best; the linear probe, a tag without vectors, is always among the choices and is taken unless
 * another is better by more than a standard error. No test row is read.
 */
import { BlockStore } from "../batch/store.ts";
import { mean } from "../evaluate/metrics.ts";
import type { Base } from "../models/base.ts";
import { type LiveTag, readEmbeddings, startTags } from "../study/live.ts";
import type { LoadedStudy } from "../study/load.ts";
import { type PreparedStage, prepareStudy } from "../study/prepare.ts";
import { makeRunner, storedOf } from "../study/reuse.ts";
import { runStage } from "../study/stages.ts";
import { fromTheStart } from "../train/trainer.ts";
import { defaultRecipe, type Recipe } from "./compose.ts";

export interface Trial {
  readonly recipe: Recipe;
  /** Validation loss (mean squared error over the target's variance) of the tag as initialised. */
  readonly untrained: number;
  /** The lowest validation loss and its step. */
  readonly best: number;
  readonly bestStep: number;
  readonly seconds: number;
}

export interface Choice {
  readonly trials: readonly Trial[];
  readonly recipe: Recipe;
  /** In one sentence. */
  readonly why: string;
}

export interface SearchOptions {
  /** Seconds that the search may take. */
  readonly seconds: number;
  /** Seconds that the training of one seed may take afterwards. */
  readonly trainingSeconds: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onTrial?: (trial: Trial, done: number) => void;
}

const lengths = [defaultRecipe.length, 4];
const rates = [defaultRecipe.rate, 0.06, 0.01];
const shortSteps = 60;
/** The linear probe. */
const probe: Recipe = { length: 0, rate: defaultRecipe.rate, steps: 0 };

/** A trial and the squared error of each validation row. */
interface Tried {
  readonly trial: Trial;
  readonly errors: Float64Array;
}

/** @param studyOf the study of a recipe */
export async function search(
  base: Base,
  studyOf: (recipe: Recipe) => LoadedStudy,
  options: SearchOptions,
): Promise<Choice> {
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const store = new BlockStore(base, { memory: studyOf(probe).study.memory * 1e9 });
  const tried: Tried[] = [];
  const run = async (recipe: Recipe) => {
    const one = await runTrial(base, studyOf(recipe), recipe, store, options);
    tried.push(one);
    options.onTrial?.(one.trial, tried.length);
  };
  try {
    await run(probe);
    for (const rate of rates) {
      for (const length of lengths) {
        const longest = Math.max(0, ...tried.map(({ trial }) => trial.seconds));
        if (tried.length >= 3 && elapsed() + longest > options.seconds * 0.6) break;
        await run({ length, rate, steps: shortSteps });
      }
    }
    const trained = byLoss(tried.filter(({ trial }) => trial.recipe.steps > 0)).map(({ trial }) => trial);
    const steps = affordableSteps(trained[0] as Trial, options.trainingSeconds);
    for (const { recipe, seconds } of trained.slice(0, 2)) {
      if (steps <= shortSteps || elapsed() + (seconds * steps) / shortSteps > options.seconds) break;
      await run({ ...recipe, steps });
    }
    return choose(tried);
  } finally {
    await store.clear();
  }
}

const byLoss = (tried: readonly Tried[]): Tried[] => tried.toSorted((a, b) => a.trial.best - b.trial.best);

/** As many steps as fit the time, in round numbers, and no more than the default. */
function affordableSteps({ seconds, recipe }: Trial, budget: number): number {
  const fit = (budget / seconds) * recipe.steps;
  return Math.max(shortSteps, Math.min(defaultRecipe.steps, Math.floor(fit / 20) * 20));
}

/** The lowest validation loss, if the probe's is higher by more than a standard error of their difference. */
export function choose(tried: readonly Tried[]): Choice {
  const [plain] = tried as [Tried];
  const best = byLoss(tried)[0] as Tried;
  const trials = tried.map(({ trial }) => trial);
  const { mean: gain, error } = paired(plain.errors, best.errors);
  const text = (x: number) => x.toFixed(4);
  const found = `${text(best.trial.best)}; the linear probe: ${text(plain.trial.best)}, higher by ${text(gain)} ± ${text(error)}`;
  if (gain > error) {
    const { recipe, bestStep } = best.trial;
    const why = `it had the lowest validation loss of ${trials.length} trials (${found})`;
    return { trials, recipe: bestStep === 0 ? { ...recipe, steps: 0 } : recipe, why };
  }
  const why =
    best === plain
      ? `none of ${trials.length} trials had a lower validation loss than the linear probe (${text(plain.trial.best)})`
      : `no vectors lowered the validation loss of the linear probe by more than a standard error of the difference (lowest of ${trials.length} trials: ${found})`;
  return { trials, recipe: probe, why };
}

/** Mean of `a` - `b` over the rows, and its standard error. */
function paired(a: Float64Array, b: Float64Array): { mean: number; error: number } {
  const differences = a.map((x, i) => x - (b[i] as number));
  const centre = mean(differences);
  const variance = mean(differences.map((d) => (d - centre) ** 2));
  return { mean: centre, error: Math.sqrt(variance / Math.max(1, a.length - 1)) };
}

async function runTrial(
  base: Base,
  loaded: LoadedStudy,
  recipe: Recipe,
  store: BlockStore,
  { seed, signal }: SearchOptions,
): Promise<Tried> {
  const prepared = await prepareStudy(loaded, base);
  const stage = prepared.stages[0] as PreparedStage;
  const embeddings = await readEmbeddings(base);
  const live = startTags(prepared, embeddings, seed);
  const vectorsOf = (tag: string) => (live.get(tag) as LiveTag).vectors;
  const { reuse } = storedOf(prepared, stage);
  const runner = makeRunner(prepared, vectorsOf, store, { reuse, signal });
  const began = performance.now();
  const { training, validationErrors } = await runStage({
    prepared,
    stage,
    live,
    embeddings,
    runner,
    seed,
    first: false,
    score: false,
    onEvent: () => {},
    continuation: fromTheStart,
  });
  const trial = {
    recipe,
    untrained: training.firstLoss,
    best: training.best.loss,
    bestStep: training.best.step,
    seconds: (performance.now() - began) / 1000,
  };
  return { trial, errors: validationErrors ?? new Float64Array() };
}
