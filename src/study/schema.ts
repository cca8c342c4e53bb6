/**
 * The study file: one zod schema gives validation, defaults, the JSON Schema for editors and the reference in
 * the docs. A study says what data, which tags, and in which order they are learned; how much of each is
 * decided by defaults that a run writes out in full.
 */
import { z } from "zod";
import { dataFormats } from "../data/formats.ts";

const name = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, "a letter, then letters, digits, '_', '.' or '-'");
const count = z.number().int().positive();

/** Two names that would be one file where a system takes capital letters for small ones. */
export function onlyInCase(names: readonly string[]): [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const given of names) {
    const before = seen.get(given.toLowerCase());
    if (before !== undefined && before !== given) return [before, given];
    seen.set(given.toLowerCase(), given);
  }
  return undefined;
}

function refuseOnlyInCase(names: readonly string[], context: z.RefinementCtx): void {
  const twice = onlyInCase(names);
  if (!twice) return;
  const message = `the names ${twice[0]} and ${twice[1]} differ only in capital letters, and each is a file`;
  context.addIssue({ code: "custom", message });
}

const amount = z.number().positive().describe("A share below 1, or a number of rows from 1 on");

/** YAML takes an unquoted 1 for a number; rows hold text. */
const cell = z.union(
  [z.string(), z.number().int().transform(String)],
  "a value of the column: text, in quotes, or a whole number",
);

const split = z
  .strictObject({
    by: z
      .union([
        z.literal("row"),
        z.strictObject({
          group: z.array(z.string()).min(1),
          molecules: z
            .array(z.string())
            .optional()
            .describe(
              "Fields of the group that hold SMILES: one molecule counts as equal however it is written",
            ),
        }),
        z.strictObject({ scaffold: z.string() }),
        z.strictObject({ time: z.string() }),
      ])
      .default("row")
      .describe(
        "`row`; `group`: fields whose equal values must stay on one side (one side of a pair makes it cold for that side); `scaffold`: a field of SMILES whose Bemis-Murcko scaffolds must; `time`: a column of numbers or dates, the latest rows are test",
      ),
    folds: z
      .strictObject({ k: count.min(2), test: z.number().int().min(0) })
      .optional()
      .describe("k folds of about equal size; `test` (from 0) says which one is the test side"),
    fold: z
      .strictObject({
        column: z.string(),
        test: z.array(cell).min(1),
        validation: z.array(cell).optional(),
      })
      .optional()
      .describe(
        "A column that says on which side a row is, by its values as text (1 means the text 1); what it leaves open is split by `by`",
      ),
    test: amount.default(0.1),
    validation: amount.default(0.1),
    seed: z.number().int().default(0).describe("Of the split; the same for all seeds of the study"),
  })
  .describe("How rows are divided into train, validation and test");

const oneOrMore = z.union([z.string(), z.array(z.string()).min(1)]);
const file = oneOrMore.describe(
  "Path, or paths of files with the same columns, relative to the study file; .gz is unpacked",
);
const format = z.enum(dataFormats).optional().describe("Default: by the file's ending");
const columns = z.record(z.string(), z.string()).optional().describe("field: column");

const join = z
  .strictObject({
    file,
    format,
    columns,
    on: z
      .union([z.string(), z.array(z.string()).min(1), z.record(z.string(), z.string())])
      .describe("Fields that both sides have, or field of the rows: field of the joined file"),
    missing: z
      .enum(["error", "drop"])
      .optional()
      .describe("Rows whose key the joined file does not have: an error (default), or left out and counted"),
  })
  .describe("A file, held in memory, whose other columns a row gets by its key");

const dataSource = z.strictObject({
  file,
  format,
  rows: z
    .strictObject({ from: z.number().int().min(0).optional(), to: count.optional() })
    .optional()
    .describe("0-based data rows [from, to), of all files one after the other"),
  columns,
  join: z.array(join).min(1).optional().describe("Columns of other files, by key; before where and select"),
  where: z.string().optional().describe("Rows to keep: a SQL expression over a row; all columns are text"),
  select: z
    .record(z.string(), z.string())
    .optional()
    .describe("field: SQL expression over a row; columns not named here are left out"),
  split: split.prefault({}),
});

const init = z
  .strictObject({
    from: z.enum(["mean", "vocabulary", "text"]).default("mean"),
    text: z.string().optional().describe("With from: text"),
    noise: z.number().min(0).default(0).describe("Norm of the noise, in units of the mean embedding row"),
  })
  .superRefine(({ from, text }, context) => {
    const refuse = (message: string) => context.addIssue({ code: "custom", path: ["text"], message });
    if (from === "text" && !text) refuse("from: text needs a text, whose tokens are the first values");
    if (from !== "text" && text !== undefined) refuse(`goes with from: text, and from is ${from}`);
  })
  .describe("First values of the vectors");

const domainTag = z.strictObject({
  kind: z.literal("domain"),
  length: count.max(1024).default(10).describe("Vectors, p"),
  splitCharacters: z
    .boolean()
    .default(false)
    .describe("Every character of the field that follows is a token"),
  isolate: z
    .boolean()
    .default(true)
    .describe("Spans of this domain see only themselves where a prompt isolates"),
  init: init.prefault({}),
  from: z.string().optional().describe("A tag file to start from"),
});

const functionTag = z.strictObject({
  kind: z.literal("function"),
  length: z
    .number()
    .int()
    .min(0)
    .max(1024)
    .default(10)
    .describe("Vectors, p; 0 with a head and `steps: 0`: the linear probe as a tag"),
  answer: z
    .enum(["number", "class", "text"])
    .describe(
      "`number`, `class`: a head on the last hidden state, for numbers or one of 2 to 100 labels; `text`: tokens",
    ),
  init: init.prefault({}),
  from: z.string().optional().describe("A tag file to start from"),
});

const dropOrError = z.enum(["drop", "error"]).default("drop");

const rowHandling = z
  .strictObject({
    empty: dropOrError.describe("Rows without a value in a field of the template, or of a plain one"),
    unwritable: dropOrError.describe(
      "Rows with text that the base's tokenizer has no token for, or with an answer in text that is too long for the base",
    ),
    missing: dropOrError.describe("Rows without a target: empty, NA, N/A, null, None"),
    notNumber: dropOrError.describe("Rows whose target is text where a number is wanted"),
    notFinite: dropOrError.describe("Rows whose target is NaN or infinite"),
    duplicates: z
      .enum(["keep", "first", "drop", "error"])
      .default("keep")
      .describe("Rows with equal fields and equal targets; `first`: the first of each group stays"),
    conflicts: z
      .enum(["keep", "first", "mean", "drop", "error"])
      .default("keep")
      .describe(
        "Rows with equal fields and targets that differ by more than rounding; `mean`: one row with the mean of the numbers",
      ),
  })
  .describe(
    "What happens to rows that are faulty or repeat others; whatever is done is counted in the report",
  );

export type RowHandling = z.infer<typeof rowHandling>;

const message = z.strictObject({
  role: z.string().min(1).describe("As the base's chat template knows it: system, user, assistant"),
  content: z.string().describe("Text with tags and fields, as a template of one text has it"),
});

const task = z.strictObject({
  data: z.string().describe("Name of a source under `data`"),
  template: z
    .union([z.string(), z.array(message).min(1)], "a text, or a list of messages, each with role and content")
    .describe(
      "The prompt: <Tag>, {field}, literal text; \\< \\> \\{ \\} for the characters. Or messages of a chat, around which the base's chat template writes",
    ),
  target: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe("Field or fields to predict"),
  isolate: z
    .boolean()
    .optional()
    .describe("Isolate domain spans; default: yes for numbers, no for text answers"),
  bos: z
    .boolean()
    .optional()
    .describe("Begin with BOS; default: no in domain stages, else as the tokenizer says"),
  effects: z
    .array(z.string())
    .length(2)
    .optional()
    .describe("Two fields whose additive means are a baseline of numbers (drug, protein)"),
  molecules: z
    .array(z.string())
    .min(1)
    .optional()
    .describe("Fields that hold SMILES: ridge on their Morgan fingerprints is a baseline"),
  plain: z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      "Text answers: the question without tags, as templates that end in the {target}; validation chooses one for the baseline without examples and one for that with them",
    ),
  scoreOnly: z
    .boolean()
    .default(false)
    .describe("Text answers: a prompt that the tags are scored in and never trained in"),
  rows: rowHandling.prefault({}),
});

const stage = z.strictObject({
  name,
  after: z.array(name).optional().describe("Stages that must end first; default: the one above"),
  train: z.array(name).min(1).describe("Tags that this stage trains"),
  tasks: z.array(task).min(1),
  steps: z
    .number()
    .int()
    .min(0)
    .default(400)
    .describe("0: tags stay as they were initialised; a head is solved all the same"),
  batch: count.default(32).describe("Examples of one optimizer step"),
  rate: z
    .number()
    .positive()
    .optional()
    .describe("Learning rate in units of the root mean square of the base's embedding table"),
  learningRate: z.number().positive().optional().describe("Learning rate as it is; instead of `rate`"),
  warmup: z.number().min(0).max(1).default(0.03).describe("Share of the steps"),
  clip: z.number().positive().default(1).describe("Largest norm of the gradient"),
  weightDecay: z.number().min(0).default(0),
  lambda: z
    .number()
    .positive()
    .default(0.1)
    .describe("Weight of the domain loss while domain tags are enriched"),
  answers: z
    .strictObject({
      rows: z
        .number()
        .int()
        .min(0)
        .default(200)
        .describe("Test rows, drawn from all of them, whose answers are written and compared with the truth"),
      tokens: count.default(64).describe("Longest answer"),
      examples: z
        .array(count)
        .min(1)
        .default([1, 4])
        .describe("How many answered training rows may stand before a plain prompt; validation chooses"),
      validationRows: count
        .default(50)
        .describe("Validation rows, drawn from all of them, that choose among plain prompts by chrF"),
    })
    .prefault({})
    .describe("Text answers: for exact match, BLEU and chrF"),
  validateEvery: count.optional().describe("Steps between validations; default: ten in a stage"),
  keep: z
    .enum(["best", "last"])
    .default("best")
    .describe(
      "Which values the tags get: those of the lowest validation loss, or the last ones, where the validation side is too small or has too few groups to tell steps apart",
    ),
  head: z
    .strictObject({
      fit: z
        .enum(["ridge", "gradient"])
        .default("ridge")
        .describe("`ridge`: solved in closed form; `gradient`: trained with the tag, as in the paper"),
      solveEvery: count.default(5).describe("Steps between closed-form solutions"),
      solveRows: count.default(2500).describe("Latest examples that a solution on the way is made from"),
      shrink: z.number().min(0).default(0.04).describe("Ridge penalty per example of a solution on the way"),
      validationRows: count
        .default(2000)
        .describe("Training rows, drawn from all of them, of the head that a validation fits"),
      rate: z
        .number()
        .min(0)
        .default(1)
        .describe("With fit: gradient, the head's learning rate over the vectors'"),
      penalties: z
        .array(z.number().min(0))
        .min(1)
        .default([0.1, 1, 10, 100, 1000, 10000, 100000])
        .describe("Ridge penalties of the last solution, on all rows; validation chooses"),
    })
    .prefault({}),
});

export const repeatedSeed = (seeds: readonly number[]): number | undefined =>
  seeds.find((seed, i) => seeds.indexOf(seed) < i);

const seeds = z
  .array(z.number().int().min(0))
  .min(1)
  .superRefine((given, context) => {
    const twice = repeatedSeed(given);
    if (twice === undefined) return;
    const message = `the seed ${twice} is there twice; the same seed is the same run and counts once`;
    context.addIssue({ code: "custom", message });
  })
  .meta({ uniqueItems: true })
  .default([1])
  .describe("One run of all stages per seed");

export const studySchema = z.strictObject({
  name,
  about: z.string().optional(),
  base: z
    .string()
    .optional()
    .describe("Checkpoint folder or hub id (ORG/NAME); default: polyglot-5m, which ships with tagllm"),
  seeds,
  leaks: z
    .enum(["warn", "error"])
    .default("warn")
    .describe("When inputs of test or validation rows are also in training: `error` refuses to train"),
  data: z.record(name, dataSource),
  tags: z
    .record(name, z.discriminatedUnion("kind", [domainTag, functionTag]))
    .superRefine((tags, context) => refuseOnlyInCase(Object.keys(tags), context)),
  stages: z
    .array(stage)
    .min(1)
    .superRefine((stages, context) =>
      refuseOnlyInCase(
        stages.map((s) => s.name),
        context,
      ),
    ),
  maxTokens: count.optional().describe("Longest prompt; default: what the base can hold"),
  tokensPerRun: count.default(512).describe("New tokens of one run of the engine"),
  memory: z.number().positive().default(6).describe("GB of keys and values that may be stored in memory"),
  disk: z
    .number()
    .min(0)
    .default(0)
    .describe(
      "GB of keys and values that may be stored in files, for this run and later ones (`tagllm cache`)",
    ),
});

export type Study = z.infer<typeof studySchema>;
export type StudyStage = Study["stages"][number];
export type StudyTask = StudyStage["tasks"][number];
export type StudyTag = Study["tags"][string];
export type StudySource = Study["data"][string];
