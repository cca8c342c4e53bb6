/** The types of what a report shows of a run's files, which may be somebody else's: a number is a number. */
import { z } from "zod";
import { TagllmError } from "../errors.ts";

const number = z.number();
const text = z.string();
/** JSON has null for NaN. */
const measured = number.nullable();
const metrics = z.record(text, measured);
const sides = z.object({ train: number, validation: number, test: number });

const method = z
  .object({ method: text, perSeed: z.array(metrics), mean: metrics, spread: metrics })
  .refine(
    ({ mean, spread }) =>
      Object.entries(mean).every(([name, value]) => value === null || typeof spread[name] === "number"),
    "a mean without its spread",
  );

const sideLeak = z.object({
  of: number,
  same: number,
  rewritten: number,
  near: number.nullable(),
  nearChecked: number,
  scaffold: number.nullish(),
  examples: z.array(z.object({ row: number, like: number })),
});

const task = z.object({
  task: text,
  target: text.nullable(),
  rows: sides,
  methods: z.array(method),
  trimmed: z.array(z.object({ field: text, prompts: number, tokens: number })),
  quality: z.array(z.object({ what: text, rows: number, first: z.array(number), handled: text })).optional(),
  leakage: z
    .array(z.object({ fields: z.array(text), readAs: text, test: sideLeak, validation: sideLeak }))
    .optional(),
});

const stage = z.object({
  stage: text,
  trained: z.array(text),
  seeds: z.array(
    z.object({
      seed: number,
      steps: number,
      bestStep: number,
      firstValidationLoss: measured,
      bestValidationLoss: measured,
    }),
  ),
  tasks: z.array(task),
});

const source = z.object({
  name: text,
  files: z.array(z.object({ path: text, sha256: text })),
  rows: sides,
  seen: sides,
  leaks: z.array(z.object({ column: text, test: z.object({ shared: number, of: number }) })),
});

export const reportSchema = z.object({
  created: text,
  tagllm: text,
  study: z.object({ name: text, file: text, sha256: text }),
  base: z.object({ name: text, id: text }),
  machine: z.object({ platform: text, cpu: text, cores: number, node: text }),
  seeds: z.array(number),
  data: z.array(source),
  stages: z.array(stage),
  warnings: z.array(text),
  seconds: number,
});

const place = { seed: number, stage: text, task: text, row: number, group: number.optional() };

export const predictedRow = z.object({
  ...place,
  target: text,
  truth: z.union([number, text]),
  predicted: z.union([number, text]),
  probabilities: z.record(text, number).optional(),
  fields: z.record(text, text),
});

export const lossRow = z.object({
  ...place,
  nats: number,
  tokens: number.optional(),
  characters: number.optional(),
  truth: text.optional(),
  said: text.optional(),
});

export const loggedEvent = z.object({
  kind: text,
  stage: text.optional(),
  seed: number.optional(),
  step: number.optional(),
  loss: measured.optional(),
  gradientNorm: measured.optional(),
});

export const manifestSchema = z.object({
  study: z.object({ name: text.optional() }).optional(),
  engine: z
    .object({ device: text, threads: number, precision: text.optional(), reuse: text.optional() })
    .optional(),
  tags: z.record(text, text).optional(),
});

export const resolvedSchema = z.object({
  about: text.optional(),
  base: text.optional(),
  tags: z.record(text, z.object({ from: text.optional() })).optional(),
});

/**
 * What JSON text of a run says, whole, also what a report does not need; `what`: which text it is.
 * @throws run/damaged
 */
export function parsed<T>(json: string, schema: z.ZodType, what: string): T {
  const value = parsedJson(json, what);
  const issue = schema.safeParse(value).error?.issues[0];
  if (!issue) return value as T;
  const place = issue.path.length ? `${issue.path.map(String).join(".")}: ` : "";
  throw damaged(what, `${place}${issue.message}`);
}

function parsedJson(json: string, what: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw damaged(what, "it is no JSON", cause);
  }
}

const damaged = (what: string, why: string, cause?: unknown): TagllmError =>
  new TagllmError("run/damaged", `${what} is damaged: ${why}.`, "Restore it, or run the study again.", {
    cause,
  });
