/**
 * Chooses length, learning rate and steps of a function tag on the validation rows. Many short trials, then
 * longer ones of the best; what an untrained tag reaches is always among the choices. No test row is read.
 */
import { BlockStore } from "../batch/store.ts";
import type { Base } from "../models/base.ts";
import { type LiveTag, readEmbeddings, startTags } from "../study/live.ts";
import type { LoadedStudy } from "../study/load.ts";
import { makeRunner, type PreparedStage, prepareStudy } from "../study/prepare.ts";
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
/** Training must save at least this share of the untrained tag's loss to be worth it. */
const leastGain = 0.01;

/** @param studyOf the study of a recipe */
export async function search(
  base: Base,
  studyOf: (recipe: Recipe) => LoadedStudy,
  options: SearchOptions,
): Promise<Choice> {
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const store = new BlockStore(base);
  const trials: Trial[] = [];
  const run = async (recipe: Recipe) => {
    const trial = await runTrial(base, studyOf(recipe), recipe, store, options);
    trials.push(trial);
    options.onTrial?.(trial, trials.length);
  };
  try {
    await run({ length: 1, rate: defaultRecipe.rate, steps: 0 }); // almost the linear probe
    for (const rate of rates) {
      for (const length of lengths) {
        const longest = Math.max(0, ...trials.map((t) => t.seconds));
        if (trials.length >= 3 && elapsed() + longest > options.seconds * 0.6) break;
        await run({ length, rate, steps: shortSteps });
      }
    }
    const trained = byLoss(trials.filter((t) => t.recipe.steps > 0));
    const steps = affordableSteps(trained[0] as Trial, options.trainingSeconds);
    for (const { recipe, seconds } of trained.slice(0, 2)) {
      if (steps <= shortSteps || elapsed() + (seconds * steps) / shortSteps > options.seconds) break;
      await run({ ...recipe, steps });
    }
    return choose(trials);
  } finally {
    await store.clear();
  }
}

const byLoss = (trials: readonly Trial[]): Trial[] => trials.toSorted((a, b) => a.best - b.best);

/** As many steps as fit the time, in round numbers, and no more than the default. */
function affordableSteps({ seconds, recipe }: Trial, budget: number): number {
  const fit = (budget / seconds) * recipe.steps;
  return Math.max(shortSteps, Math.min(defaultRecipe.steps, Math.floor(fit / 20) * 20));
}

function choose(trials: readonly Trial[]): Choice {
  const best = byLoss(trials)[0] as Trial;
  const plain = trials.toSorted((a, b) => a.untrained - b.untrained)[0] as Trial;
  const gain = 1 - best.best / plain.untrained;
  const text = (x: number) => x.toFixed(4);
  if (gain >= leastGain) {
    const why = `it had the lowest validation loss of ${trials.length} trials (${text(best.best)}; the best untrained tag: ${text(plain.untrained)})`;
    return { trials, recipe: best.recipe, why };
  }
  const least = `${leastGain * 100} %`;
  return {
    trials,
    recipe: { ...plain.recipe, steps: 0 },
    why: `training did not lower the validation loss of the best untrained tag (${text(plain.untrained)}) by ${least} or more (lowest: ${text(best.best)}), so the tag stays as initialised and only its head is fitted`,
  };
}

async function runTrial(
  base: Base,
  loaded: LoadedStudy,
  recipe: Recipe,
  store: BlockStore,
  { seed, signal }: SearchOptions,
): Promise<Trial> {
  const prepared = await prepareStudy(loaded, base);
  const stage = prepared.stages[0] as PreparedStage;
  const embeddings = await readEmbeddings(base);
  const live = await startTags(loaded, base, embeddings, seed);
  const vectorsOf = (tag: string) => (live.get(tag) as LiveTag).vectors;
  const runner = await makeRunner(prepared, stage, vectorsOf, store, { reuse: "auto", signal });
  const began = performance.now();
  const { training } = await runStage({
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
  return {
    recipe,
    untrained: training.firstLoss,
    best: training.best.loss,
    bestStep: training.best.step,
    seconds: (performance.now() - began) / 1000,
  };
}
