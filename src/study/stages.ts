/** Runs one stage for one seed: trains its tags and scores them on the test side beside what they must beat. */
import type { HeadValues } from "../batch/head.ts";
import type { Runner } from "../batch/runner.ts";
import { bitsPerCharacter, type TextScores } from "../evaluate/text.ts";
import { bindTemplate } from "../prompts/bind.ts";
import { readTemplate } from "../prompts/chat.ts";
import { compilePrompt } from "../prompts/prompt.ts";
import { parseTemplate } from "../prompts/template.ts";
import { textLabels } from "../train/labels.ts";
import type { Task } from "../train/tasks.ts";
import {
  type Continuation,
  type TrainEvent,
  type TrainOptions,
  type TrainResult,
  train,
} from "../train/trainer.ts";
import { announcedOtherwise } from "./announced.ts";
import { type Answer, classAnswer, numberAnswer } from "./answers.ts";
import { featureBaselines, probe } from "./baselines.ts";
import { classShares } from "./classes.ts";
import { dataTexts, plainReadings, scorePlain, scoreWithTag, textTask } from "./domain-stage.ts";
import {
  closedForm,
  describeAnswers,
  fitHead,
  HeadData,
  headTask,
  predictSide,
  type RowPrediction,
  type Scores,
  startHead,
  validationErrors,
} from "./function-stage.ts";
import type { Embeddings, LiveTag, LiveTags } from "./live.ts";
import type { Metrics } from "./methods.ts";
import { plainBaselines } from "./plain-prompts.ts";
import type { PreparedStage, PreparedStudy } from "./prepare.ts";
import { fitScaling, hasHead, maxTokens, type PreparedTask, type TaskRow, tagSpecs } from "./tasks.ts";
import { scoreText, type TextAnswer, textExamples } from "./text-answers.ts";

export interface StageRun {
  readonly prepared: PreparedStudy;
  readonly stage: PreparedStage;
  readonly live: LiveTags;
  readonly embeddings: Embeddings;
  readonly runner: Runner;
  readonly seed: number;
  /** Baselines without a seed are computed for the first one only. */
  readonly first: boolean;
  /** false: numbers are trained and validated only, and no test row is read. */
  readonly score: boolean;
  readonly onEvent: (e: TrainEvent) => void;
  readonly continuation: Continuation;
}

/** Metrics by method, for each task of the stage and each of its targets (null: text). */
export interface TaskScores {
  readonly task: PreparedTask;
  readonly target: string | null;
  readonly methods: Record<string, Metrics>;
  /** Of the trained function tag on the test side. */
  readonly predictions?: readonly RowPrediction[];
  /** Of the trained tag on the test side, for tasks without a head. */
  readonly losses?: readonly RowLoss[];
}

/** How well the base foretells the text of a row: tokens of an answer, or characters of a domain's text. */
export interface RowLoss extends Partial<TextAnswer> {
  /** 0-based data row of the file. */
  readonly row: number;
  /** Of the split. */
  readonly group: number;
  readonly nats: number;
  readonly tokens?: number;
  readonly characters?: number;
}

export interface StageOutcome {
  readonly training: TrainResult;
  readonly learningRate: number;
  readonly scores: readonly TaskScores[];
  /** By how much training changed the test predictions of a head: root mean square, over their spread. */
  readonly changed?: number;
  /** Of a head that validation gave the largest penalty that it could choose. */
  readonly largestPenalty?: number | undefined;
  /** Squared error of each validation row, of a head that is not scored. */
  readonly validationErrors?: Float64Array;
}

export function runStage(run: StageRun): Promise<StageOutcome> {
  switch (run.stage.kind) {
    case "domain":
      return runDomainStage(run);
    case "text":
      return runTextStage(run);
    case "number":
    case "class":
      return runHeadStage(run);
  }
}

/** Rates that worked on the embedded base, in units of the embedding table's root mean square. */
const defaultRates = { domain: 0.3, text: 0.1, number: 0.025, class: 0.025 };

function trainOptions({ stage: { stage, kind }, embeddings, seed }: StageRun): TrainOptions {
  const rate = stage.rate ?? defaultRates[kind];
  return {
    steps: stage.steps,
    batch: stage.batch,
    learningRate: stage.learningRate ?? rate * embeddings.rms,
    headRate: hasHead(kind) && stage.head.fit === "gradient" ? stage.head.rate : 0,
    warmup: Math.floor(stage.warmup * stage.steps),
    clip: stage.clip,
    weightDecay: stage.weightDecay,
    lambda: stage.lambda,
    keep: stage.keep,
    validateEvery: stage.validateEvery ?? Math.max(1, Math.ceil(stage.steps / 10)),
    seed,
  };
}

const trainedVectors = ({ stage, live }: StageRun): Map<string, Float32Array> =>
  new Map(stage.stage.train.map((name) => [name, (live.get(name) as LiveTag).vectors]));

async function runDomainStage(run: StageRun): Promise<StageOutcome> {
  const { stage, runner, onEvent } = run;
  const options = trainOptions(run);
  const score = () => Promise.all(stage.tasks.map((t) => scoreWithTag(runner, t, t.rows.test)));
  const untrained = await score();
  const tasks = stage.tasks.map((t) => textTask(t));
  const training = await train(
    runner,
    { vectors: trainedVectors(run), head: null },
    tasks,
    options,
    onEvent,
    null,
    run.continuation,
  );
  if (stage.stage.steps > 0) for (const task of stage.tasks) describeDomain(run, task);
  const after = await score();
  const scores = [];
  for (const [i, task] of stage.tasks.entries()) {
    const bits = (scored: TextScores): Metrics => ({ bitsPerCharacter: bitsPerCharacter(scored) });
    const tagged = after[i] as TextScores;
    const methods: Record<string, Metrics> = {
      "domain tag": bits(tagged),
      "untrained tag": bits(untrained[i] as TextScores),
    };
    if (run.first) {
      const texts = dataTexts(task, task.rows.test);
      for (const reading of plainReadings(run.prepared.base, texts)) {
        const plain = await scorePlain(run.prepared.base, runner, texts, reading);
        methods[`no tag: ${reading.name}`] = bits(plain);
      }
    }
    const losses = task.rows.test.map(({ rowNumber, group }, k) => ({
      row: rowNumber,
      group,
      nats: (tagged.bits[k] as number) * Math.LN2,
      characters: tagged.characters[k] as number,
    }));
    scores.push({ task, target: null, methods, losses });
  }
  return { training, learningRate: options.learningRate, scores };
}

async function runTextStage(run: StageRun): Promise<StageOutcome> {
  const { stage, runner, onEvent } = run;
  const options = trainOptions(run);
  const learned = stage.tasks.filter(({ spec }) => !spec.scoreOnly);
  const tasks = learned.map(
    (task): Task => ({
      kind: "text",
      name: task.name,
      train: textExamples(run, task, task.rows.train),
      validation: textExamples(run, task, task.rows.validation),
      ...enrichment(run, task),
    }),
  );
  const announced = stage.tasks.map((task) => announcedOtherwise(run, task));
  const untrained: Metrics[] = [];
  for (const task of stage.tasks) untrained.push((await scoreText(run, task)).metrics);
  const training = await train(
    runner,
    { vectors: trainedVectors(run), head: null },
    tasks,
    options,
    onEvent,
    null,
    run.continuation,
  );
  for (const task of learned) describeFunction(run, task);
  const scores = [];
  for (const [i, task] of stage.tasks.entries()) {
    const { metrics, losses, answers } = await scoreText(run, task);
    const otherwise = announced[i];
    const methods = {
      "function tag": metrics,
      "untrained tag": untrained[i] as Metrics,
      ...(otherwise?.tooLong === 0 && {
        "wrong domain tag": (await scoreText(run, task, otherwise.compiler)).metrics,
      }),
      ...(await plainBaselines(run, task)),
    };
    const written = new Map(answers.map((answer) => [answer.row, answer]));
    const lines = task.rows.test.map(({ rowNumber, group }, k) => ({
      row: rowNumber,
      group,
      nats: losses.nats[k] as number,
      tokens: losses.tokens[k] as number,
      ...written.get(rowNumber),
    }));
    scores.push({ task, target: null, methods, losses: lines });
  }
  return { training, learningRate: options.learningRate, scores };
}

async function runHeadStage(run: StageRun): Promise<StageOutcome> {
  const { stage, runner, live, onEvent } = run;
  const options = trainOptions(run);
  const trained = new Set(stage.stage.train);
  const functionTag = live.get((stage.tasks[0] as PreparedTask).functionTag as string) as LiveTag;
  const answer = answerOf(run, functionTag);
  const data = new HeadData(stage.tasks, answer, trained);
  const simple = run.first && run.score ? await featureBaselines(data) : [];
  const methods: Record<string, Scores[]> = {};
  const { penalties, fit, validationRows } = stage.stage.head;

  let untrained: Float64Array = new Float64Array();
  if (run.score) {
    methods["linear probe"] = (await probe(runner, stage.stage, data)).scores;
    const start = await fitHead(runner, data, penalties);
    untrained = await predictSide(runner, data, "test", start.head);
    methods["untrained tag"] = data.scores("test", untrained);
  }

  const before = stage.kind === "number" ? functionTag.head : null; // logits are no least squares
  const head = before ?? (await firstHead(run, data));
  const tasks = stage.tasks.map((task, i): Task => ({ ...headTask(data, i), ...enrichment(run, task) }));
  const solve = fit === "ridge" ? closedForm(runner, data, head, stage.stage) : null;
  const training = await train(
    runner,
    { vectors: trainedVectors(run), head },
    tasks,
    options,
    onEvent,
    solve,
    run.continuation,
  );
  if (!run.score) {
    const errors = await validationErrors(runner, data, penalties, validationRows);
    return { training, learningRate: options.learningRate, scores: [], validationErrors: errors };
  }
  const fitted = await fitHead(runner, data, penalties, fit === "ridge" ? null : head);
  head.weight.set(fitted.head.weight);
  head.bias.set(fitted.head.bias);
  const predicted = await predictSide(runner, data, "test", head);
  methods["function tag"] = data.scores("test", predicted);
  const predictions = data.outcomes("test", predicted);

  functionTag.head = head;
  Object.assign(functionTag, describeAnswers(data, fitted));
  for (const task of stage.tasks) describeFunction(run, task);
  const scores = stage.tasks.flatMap((task, i) =>
    task.targets.map((target, k) => ({
      task,
      target,
      predictions: predictions[i]?.[k] ?? [],
      methods: Object.fromEntries([
        ...Object.entries(simple[i] ?? {}).map(([name, own]) => [name, own[target]]),
        ...Object.entries(methods).map(([name, byTask]) => [name, byTask[i]?.[target]]),
      ]) as Record<string, Metrics>,
    })),
  );
  const changed = changeOf(untrained, predicted, answer.outputs);
  const { penalty } = fitted;
  const largestPenalty = penalties.length > 1 && penalty === Math.max(...penalties) ? penalty : undefined;
  return { training, learningRate: options.learningRate, scores, changed, largestPenalty };
}

/** Root mean square difference of predictions [n, outputs] over the spread of the first about their means. */
function changeOf(before: Float64Array, after: Float64Array, outputs: number): number {
  let [difference, spread] = [0, 0];
  for (let k = 0; k < outputs; k++) {
    const own = before.filter((_, i) => i % outputs === k);
    const mean = own.reduce((sum, v) => sum + v, 0) / own.length;
    own.forEach((value, i) => {
      difference += (value - (after[i * outputs + k] as number)) ** 2;
      spread += (value - mean) ** 2;
    });
  }
  return difference === 0 ? 0 : Math.sqrt(difference / spread);
}

/** A tag that goes on keeps what its head answers: prepareStudy has compared the two. */
function answerOf({ stage }: StageRun, tag: LiveTag): Answer {
  if (stage.classes === null) return numberAnswer(tag.scaling ?? fitScaling(stage.tasks));
  return classAnswer(stage.classes, classShares(stage.tasks, stage.classes));
}

/** The head that training starts from: a strongly shrunk solution, or the paper's unscaled mean embedding. */
async function firstHead({ stage, embeddings, runner }: StageRun, data: HeadData): Promise<HeadValues> {
  const { fit, shrink, validationRows } = stage.stage.head;
  if (fit === "ridge") {
    const rows = Math.min(validationRows, data.side("train").length);
    return startHead(runner, data, shrink * rows, rows);
  }
  const { outputs } = data.answer;
  const { mean } = embeddings.stats;
  const weight = Float32Array.from(
    { length: outputs * mean.length },
    (_, i) => mean[i % mean.length] as number,
  );
  return { outputs, weight, bias: new Float32Array(outputs) };
}

/** What files of domain tags must say of how they were trained; of several prompts, how the last one begins. */
function describeDomain({ live, stage }: StageRun, { tags, compiler }: PreparedTask): void {
  for (const name of tags)
    if (stage.stage.train.includes(name)) (live.get(name) as LiveTag).bos = compiler.bos;
}

/** What the function tag's file must say of how it was trained; a tag that only stands there keeps what its file says. */
function describeFunction({ live, prepared, stage }: StageRun, task: PreparedTask): void {
  const name = task.functionTag as string;
  if (!stage.stage.train.includes(name)) return;
  const tag = live.get(name) as LiveTag;
  const { template } = task.spec;
  tag.template = template;
  tag.chat = typeof template === "string" ? null : (prepared.base.tokenizer.chat?.sha256 ?? null);
  tag.isolate = task.isolate;
  tag.bos = task.compiler.bos;
  tag.outputs = [...task.targets];
  tag.usesTags = [
    ...new Set([...tag.usesTags, ...task.tags.filter((t) => live.get(t)?.spec.kind === "domain")]),
  ];
}

/** Domain texts of the spans whose tags train along with the function tag. */
function enrichment(run: StageRun, task: PreparedTask): Pick<Task, "domainTexts"> {
  const { prepared, stage } = run;
  const { loaded, base } = prepared;
  const enriched = task.tags.filter(
    (t) => stage.stage.train.includes(t) && loaded.study.tags[t]?.kind === "domain",
  );
  const { pieces } = readTemplate(task.spec.template, base.tokenizer);
  const texts = enriched.flatMap((tag) =>
    pieces.flatMap((p, i) => {
      if (p.kind !== "tag" || p.name !== tag) return [];
      const next = pieces[i + 1];
      const blank = next?.kind === "text" && next.text.trim() === "" ? next.text : "";
      const field = blank ? pieces[i + 2] : next;
      if (field?.kind !== "field") return [];
      const template = parseTemplate(`<${tag}>${blank}{${field.name}}`);
      return [bindTemplate(template, { tags: tagSpecs(loaded.study, [tag]), fields: [field.name] })];
    }),
  );
  if (texts.length === 0) return {};
  const settings = { tokenizer: base.tokenizer, bos: false, withTarget: false, eosAfterTarget: false };
  return {
    domainTexts: (i) =>
      texts.map((bound) => {
        const row = task.rows.train[i] as TaskRow;
        const prompt = compilePrompt(bound, row.fields, {
          ...settings,
          maxTokens: maxTokens(loaded.study, base),
        });
        return { query: { prompt, isolate: false, cut: 0 }, labels: textLabels(prompt) };
      }),
  };
}
