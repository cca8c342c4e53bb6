/**
 * Metrics as functions of which rows are looked at, for resampling: the same numbers as of those rows alone.
 */
import { bleuCounts, bleuOfRows } from "./bleu.ts";
import { chrfCounts, chrfOfRows } from "./chrf.ts";
import { classificationMetrics } from "./classification.ts";
import { regressionMetrics } from "./metrics.ts";
import { bitsPerCharacter, exactMatch, type TextScores, type TokenLosses, textMetrics } from "./text.ts";

/** Row indices, repeats included, to metrics by name. */
export type MetricsOfRows = (rows: Int32Array) => Record<string, number>;

const pick = (values: Float64Array, rows: Int32Array): Float64Array =>
  Float64Array.from(rows, (i) => values[i] as number);

export function numbersOfRows(truth: Float64Array, predicted: Float64Array): MetricsOfRows {
  return (rows) => {
    const { rows: _, ...metrics } = regressionMetrics(pick(truth, rows), pick(predicted, rows));
    return metrics;
  };
}

/** `probabilities`: [n, classes] */
export function classesOfRows(truth: Int32Array, probabilities: Float64Array): MetricsOfRows {
  const classes = probabilities.length / truth.length;
  return (rows) => {
    const own = new Float64Array(rows.length * classes);
    rows.forEach((i, k) => {
      own.set(probabilities.subarray(i * classes, (i + 1) * classes), k * classes);
    });
    const drawn = rows.map((i) => truth[i] as number);
    const { rows: _, ...metrics } = classificationMetrics(drawn, own);
    return metrics;
  };
}

export function tokensOfRows({ nats, tokens }: TokenLosses): MetricsOfRows {
  return (rows) => ({ ...textMetrics({ nats: pick(nats, rows), tokens: pick(tokens, rows) }) });
}

/** Answers in text, compared with the truth as they are. */
export function answersOfRows(truth: readonly string[], said: readonly string[]): MetricsOfRows {
  const [bleu, chrf] = [bleuCounts(said, truth), chrfCounts(said, truth)];
  return (rows) => ({
    chrf: chrfOfRows(chrf, rows),
    bleu: bleuOfRows(bleu, rows),
    exactMatch: exactMatch(truth, said, rows),
  });
}

export function textOfRows({ bits, characters }: TextScores): MetricsOfRows {
  return (rows) => ({
    bitsPerCharacter: bitsPerCharacter({ bits: pick(bits, rows), characters: pick(characters, rows) }),
  });
}

/** The mean over several predictors of the same rows, such as the seeds of a run. */
export function meanOfRows(each: readonly MetricsOfRows[]): MetricsOfRows {
  return (rows) => {
    const all = each.map((metrics) => metrics(rows));
    const names = Object.keys(all[0] ?? {});
    return Object.fromEntries(
      names.map((name) => [name, all.reduce((sum, m) => sum + (m[name] as number), 0) / all.length]),
    );
  };
}
