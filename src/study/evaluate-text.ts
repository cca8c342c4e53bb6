/** Evaluation of tags without a head: answers in text, and texts of a domain. */
import { Runner } from "../batch/runner.ts";
import { TagllmError } from "../errors.ts";
import { answersOfRows, textOfRows, tokensOfRows } from "../evaluate/of-rows.ts";
import { bitsPerCharacter } from "../evaluate/text.ts";
import { type BoundTemplate, bindTemplate } from "../prompts/bind.ts";
import { compilePrompt, type Prompt } from "../prompts/prompt.ts";
import { requireTag } from "../tags/library.ts";
import { longestPrompt, tagSpec } from "../tags/tag.ts";
import { domainTemplate, templateOf } from "../tags/template.ts";
import { targetLabels } from "../train/labels.ts";
import { tokenLosses } from "../train/tasks.ts";
import { plainReadings, scorePlain, scorePrompts, textsOf } from "./domain-stage.ts";
import {
  answered,
  bootstrapOf,
  type Context,
  type OutputEvaluation,
  type ScorableRow,
  type Scored,
  withIntervals,
} from "./evaluation.ts";

/** The answer decoded greedily against the truth, and how well the base foretells the truth. */
export async function evaluateText(context: Context): Promise<Scored> {
  const { tag, tags, columns, options } = context;
  const output = tag.outputs[0] as string;
  const template = templateOf(tag, context.base.tokenizer);
  const bound = bindTemplate(template, {
    tags: new Map([...tags].map(([name, t]) => [name, tagSpec(t)])),
    fields: [...Object.keys(context.rows[0]?.fields ?? {}), output],
    target: output,
  });
  const known = compiledRows(
    context,
    bound,
    ({ fields, truth }) => ({ ...fields, [output]: truth[0] as string }),
    true,
  );
  const kept = await answered({ ...context, rows: known.map(({ row }) => row) });
  const prompts = new Map(known.map(({ row, prompt }) => [row, prompt]));
  const own = kept.map(({ row }) => prompts.get(row) as Prompt);
  const losses = await tokenLosses(
    runnerFor(context),
    own.map((prompt) => ({
      query: { prompt, isolate: tag.isolate, cut: 0 },
      labels: targetLabels(prompt),
    })),
  );
  const truth = kept.map(({ row }) => (row.truth[0] as string).trim());
  const said = kept.map(({ prediction }) => String(prediction.values[output] ?? ""));
  const commonest = mostFrequent(truth);
  const [answers, tokens] = [answersOfRows(truth, said), tokensOfRows(losses)];
  const bootstrap = bootstrapOf(options);
  const evaluation: OutputEvaluation = {
    output,
    column: columns[0] as string,
    metrics: withIntervals(kept.length, (rows) => ({ ...answers(rows), ...tokens(rows) }), bootstrap),
    baseline: {
      method: `always ${JSON.stringify(commonest)}`,
      metrics: withIntervals(
        kept.length,
        answersOfRows(
          truth,
          truth.map(() => commonest),
        ),
        bootstrap,
      ),
    },
    coverage: null,
  };
  return {
    rows: kept.map(({ row }) => row),
    outputs: kept.length ? [evaluation] : [],
    trimmed: own.filter((p, i) => p.trimmed.length > 0 || kept[i]?.prediction.trimmed.length).length,
    outOfDomain: null,
    unfinished: kept.filter(({ prediction }) => prediction.unfinished).length,
  };
}

/** Bits a character of the texts after the tag, beside the best way to read them without one. */
export async function evaluateDomain(context: Context): Promise<Scored> {
  const { base, tag, columns, options } = context;
  const bound = bindTemplate(domainTemplate(tag.name, base.tokenizer), {
    tags: new Map([[tag.name, tagSpec(tag)]]),
    fields: ["text"],
  });
  const known = compiledRows(context, bound, ({ truth }) => ({ text: truth[0] as string }), false);
  const prompts = known.map(({ prompt }) => prompt);
  const runner = runnerFor(context);
  const scored = await scorePrompts(runner, prompts, false);
  const texts = textsOf(prompts);
  const readings = [];
  for (const reading of plainReadings(base, texts))
    readings.push({ name: reading.name, plain: await scorePlain(base, runner, texts, reading) });
  const [best] = readings.toSorted((a, b) => bitsPerCharacter(a.plain) - bitsPerCharacter(b.plain));
  const bootstrap = bootstrapOf(options);
  const evaluation: OutputEvaluation = {
    output: null,
    column: columns[0] as string,
    metrics: withIntervals(known.length, textOfRows(scored), bootstrap),
    baseline: best
      ? {
          method: `no tag: ${best.name}`,
          metrics: withIntervals(known.length, textOfRows(best.plain), bootstrap),
        }
      : null,
    coverage: null,
  };
  options.onProgress?.(known.length);
  return {
    rows: known.map(({ row }) => row),
    outputs: known.length ? [evaluation] : [],
    trimmed: prompts.filter((p) => p.trimmed.length > 0).length,
    unfinished: null,
    outOfDomain: null,
  };
}

const runnerFor = ({ base, tags, options }: Context): Runner =>
  new Runner(base, (name) => requireTag(tags, name).vectors, {
    reuse: "none",
    plain: options.reuse === "none",
    tokens: 512,
    signal: options.signal,
  });

/** Rows with their prompts; those that make none are counted as failed. */
function compiledRows(
  { base, tag, rows, failures }: Context,
  bound: BoundTemplate,
  fieldsOf: (row: ScorableRow) => Record<string, string>,
  withTarget: boolean,
): { row: ScorableRow; prompt: Prompt }[] {
  return rows.flatMap((row) => {
    try {
      const prompt = compilePrompt(bound, fieldsOf(row), {
        tokenizer: base.tokenizer,
        maxTokens: longestPrompt(tag, base.architecture.maxPositions),
        bos: tag.bos,
        withTarget,
        eosAfterTarget: withTarget && base.tokenizer.eosId !== null,
      });
      return [{ row, prompt }];
    } catch (error) {
      if (!(error instanceof TagllmError)) throw error;
      failures.add(error.problem.replace(/\.$/, ""), row.rowNumber);
      return [];
    }
  });
}

function mostFrequent(texts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  const first = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), ["", 0]);
  return first[0];
}
