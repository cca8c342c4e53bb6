/** What metrics are called where people read them, and how their numbers are written. */

/** How a metric is called, and which way it is better. The first of a method decides. */
export const metricInfo: Readonly<Record<string, { heading: string; lower: boolean }>> = {
  rmse: { heading: "RMSE", lower: true },
  mse: { heading: "MSE", lower: true },
  mae: { heading: "MAE", lower: true },
  pearson: { heading: "Pearson", lower: false },
  spearman: { heading: "Spearman", lower: false },
  r2: { heading: "R2", lower: false },
  ci: { heading: "C-index", lower: false },
  rocAuc: { heading: "ROC-AUC", lower: false },
  prAuc: { heading: "PR-AUC", lower: false },
  accuracy: { heading: "accuracy", lower: false },
  f1: { heading: "F1", lower: false },
  logLoss: { heading: "log loss", lower: true },
  bitsPerCharacter: { heading: "bits/char", lower: true },
  chrf: { heading: "chrF", lower: false },
  bleu: { heading: "BLEU", lower: false },
  exactMatch: { heading: "exact match", lower: false },
  nats: { heading: "nats/token", lower: true },
  perplexity: { heading: "perplexity", lower: true },
};

export const headingOf = (metric: string): string => metricInfo[metric]?.heading ?? metric;

/** Three decimals, or where these would say nothing (a Kd in mol/l is 1e-9) or too much, three digits. */
export function metricText(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 1e6) ? value.toPrecision(3) : value.toFixed(3);
}

/** With the spread over seeds, in as many decimals as it is worth beside the mean. */
export const meanText = (mean: number, spread: number): string =>
  `${metricText(mean)} ± ${metricText(mean) === mean.toFixed(3) ? spread.toFixed(3) : spread.toPrecision(2)}`;
