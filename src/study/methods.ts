/** The methods of a report: what each reached, and which is better. */
import { headingOf, metricInfo, metricText } from "../evaluate/metric-names.ts";
import type { Regression } from "../evaluate/metrics.ts";

/** One number per metric name. */
export type Metrics = Readonly<Record<string, number>>;

export interface MethodResult {
  /** `function tag`, `domain tag`, `untrained tag`, `linear probe`, `mean`, ... */
  readonly method: string;
  /** In the order of the report's seeds; one entry for a method that has no seed. */
  readonly perSeed: readonly Metrics[];
  readonly mean: Metrics;
  /** Standard deviation over the seeds (n - 1); 0 with one. */
  readonly spread: Metrics;
}

export function methodResult(method: string, perSeed: readonly Metrics[]): MethodResult {
  const names = Object.keys(perSeed[0] ?? {});
  const summary = (of: (values: number[]) => number): Metrics =>
    Object.fromEntries(names.map((n) => [n, of(perSeed.map((m) => m[n] as number))]));
  const mean = (values: number[]) => values.reduce((s, v) => s + v, 0) / values.length;
  const spread = (values: number[]) => {
    if (values.length < 2) return 0;
    const m = mean(values);
    return Math.sqrt(values.reduce((s, v) => s + (v - m) ** 2, 0) / (values.length - 1));
  };
  return { method, perSeed, mean: summary(mean), spread: summary(spread) };
}

export const regressionColumns = ["rmse", "mse", "mae", "pearson", "spearman", "r2", "ci"] as const;

export const toMetrics = (r: Regression): Metrics =>
  Object.fromEntries(regressionColumns.map((name) => [name, r[name]]));

/** The metric that decides. */
export const mainMetric = (methods: readonly MethodResult[]): string =>
  Object.keys(methods[0]?.mean ?? {})[0] ?? "";

/**
 * Better in the metric that decides, by more than the spread of the seeds: the larger of the two, as a method without
 * seeds has none. With one seed on both sides any difference counts; `verdict` says that it was one.
 */
export function beats(a: MethodResult, b: MethodResult): boolean {
  const metric = mainMetric([a]);
  return gain(a, b) > Math.max(a.spread[metric] ?? 0, b.spread[metric] ?? 0);
}

/** By how much a is better than b in the metric that decides; NaN where it is not defined for both. */
export function gain(a: MethodResult, b: MethodResult): number {
  const metric = mainMetric([a]);
  const sign = metricInfo[metric]?.lower ? -1 : 1;
  return sign * (meanOf(a, metric) - meanOf(b, metric));
}

/** JSON has null for NaN. */
const meanOf = ({ mean }: MethodResult, metric: string): number => mean[metric] ?? Number.NaN;

/** Whether the metric that decides has a value. */
export const isDefined = (method: MethodResult): boolean =>
  Number.isFinite(meanOf(method, mainMetric([method])));

const trainedTags = ["function tag", "domain tag"];

export const isTrainedTag = ({ method }: MethodResult): boolean => trainedTags.includes(method);

/** What a task is about. Texts have no target in a report, learned whole or as answers. */
export const whatOf = ({
  target,
  methods,
}: {
  target: string | null;
  methods: readonly MethodResult[];
}): string =>
  target !== null
    ? `predicts ${target}`
    : methods.some(({ method }) => method === "function tag")
      ? "answers in text"
      : "text of the domain";

/** The best of the methods that are not the trained tag; the first where the metric is defined for none. */
export function strongestBaseline(methods: readonly MethodResult[]): MethodResult | null {
  const others = methods.filter((m) => !isTrainedTag(m));
  const defined = others.filter(isDefined);
  const [first, ...rest] = defined.length ? defined : others;
  return first ? rest.reduce((a, b) => (gain(b, a) > 0 ? b : a), first) : null;
}

/** How good the trained tag is against the strongest of the others, in one honest sentence. */
export function verdict(methods: readonly MethodResult[]): string {
  const tag = methods.find(isTrainedTag);
  const best = strongestBaseline(methods);
  if (!tag || !best) return "There is nothing to compare with.";
  if (!isDefined(tag) || !isDefined(best)) return notCompared(tag);
  const metric = mainMetric(methods);
  const numbers = `${headingOf(metric)} ${metricText(meanOf(tag, metric))} against ${metricText(meanOf(best, metric))}`;
  if (beats(best, tag))
    return `The ${tag.method} does not reach the strongest baseline, ${best.method}: ${numbers}.`;
  if (tag.perSeed.length < 2)
    return `The ${tag.method} is ${gain(tag, best) > 0 ? "better than" : "level with"} the strongest baseline, ${best.method}, with one seed, so how far seeds differ is not known: ${numbers}.`;
  if (beats(tag, best))
    return `The ${tag.method} beats the strongest baseline, ${best.method}, by more than the spread of the seeds: ${numbers}.`;
  return `The ${tag.method} is level with the strongest baseline, ${best.method}, within the spread of the seeds: ${numbers}.`;
}

function notCompared(tag: MethodResult): string {
  const metric = mainMetric([tag]);
  // Only areas have no value where the share of right answers has one.
  const oneClass = metric === "rocAuc" && Number.isFinite(tag.mean.accuracy);
  const why = oneClass ? ": they are all of one class" : "";
  return `The ${tag.method} cannot be compared in ${headingOf(metric)}, which is not defined on these test rows${why}.`;
}
