/**
 * The metadata of a tag file: all of a tag but its numbers, as the flat map of strings that safetensors allows.
 * Text is stored as it is, everything else as JSON; what is null is left out. Every key is known and checked:
 * a key that is ignored today is a tag used wrongly tomorrow.
 */
import { z } from "zod";
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { damage } from "./check.ts";
import { detectorEntry, type Tag, tagDigest } from "./tag.ts";

const format = "tagllm-tag";
const formatVersion = 1;

/** A string that holds JSON of the given schema. */
function json<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: "custom", message: "not JSON" });
        return z.NEVER;
      }
    })
    .pipe(schema);
}

const size = z.int().min(1);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const metadataSchema = z.strictObject({
  format: z.literal(format),
  format_version: z.literal(String(formatVersion)),
  name: z.string(),
  kind: z.enum(["domain", "function"]),
  length: json(z.int().min(0)),
  width: json(size),
  split_characters: json(z.boolean()),
  isolate: json(z.boolean()),
  bos: json(z.boolean()),
  scaling: json(z.array(z.strictObject({ mean: z.number(), scale: z.number() }))).optional(),
  classes: json(z.array(z.string()).min(2)).optional(),
  conformal: json(z.array(z.number().min(0).nullable())).optional(),
  outliers: json(z.strictObject({ seed: z.int(), threshold: z.number().min(0) })).optional(),
  template: z.string().optional(),
  messages: json(z.array(z.strictObject({ role: z.string(), content: z.string() })).min(1)).optional(),
  chat: sha256.optional(),
  max_tokens: json(size).optional(),
  answer_tokens: json(size).optional(),
  outputs: json(z.array(z.string())),
  uses_tags: json(z.array(z.strictObject({ name: z.string(), sha256 }))),
  base: json(
    z.strictObject({
      name: z.string(),
      architecture: z.string(),
      hiddenSize: size,
      layers: size,
      vocabSize: size,
      tokenizer: z.string(),
      weights: z.string(),
      id: z.string(),
    }),
  ),
  provenance: json(z.record(z.string(), z.unknown())),
  digest: sha256,
});

/** A tag without its numbers, and the digest that the whole must have. */
export type TagMetadata = Omit<Tag, "vectors" | "head" | "outliers"> & {
  digest: string;
  outliers?: ReturnType<typeof detectorEntry>;
};

export function encodeMetadata(tag: Tag): Record<string, string> {
  const metadata: z.input<typeof metadataSchema> = {
    format,
    format_version: `${formatVersion}`,
    name: tag.name,
    kind: tag.kind,
    length: JSON.stringify(tag.length),
    width: JSON.stringify(tag.width),
    split_characters: JSON.stringify(tag.splitCharacters),
    isolate: JSON.stringify(tag.isolate),
    bos: JSON.stringify(tag.bos),
    outputs: JSON.stringify(tag.outputs),
    uses_tags: JSON.stringify(tag.usesTags),
    base: JSON.stringify(tag.base),
    provenance: JSON.stringify(tag.provenance),
    digest: tagDigest(tag),
  };
  if (tag.scaling !== null) metadata.scaling = JSON.stringify(tag.scaling);
  if (tag.classes) metadata.classes = JSON.stringify(tag.classes);
  if (tag.conformal) metadata.conformal = JSON.stringify(tag.conformal);
  if (tag.outliers) metadata.outliers = JSON.stringify(detectorEntry(tag.outliers));
  if (typeof tag.template === "string") metadata.template = tag.template;
  else if (tag.template !== null) metadata.messages = JSON.stringify(tag.template);
  if (tag.chat !== undefined) metadata.chat = tag.chat;
  if (tag.maxTokens !== undefined) metadata.max_tokens = JSON.stringify(tag.maxTokens);
  if (tag.answerTokens !== undefined) metadata.answer_tokens = JSON.stringify(tag.answerTokens);
  return metadata as Record<string, string>;
}

/** Throws tag/not-a-tag, version, kind or metadata. */
export function decodeMetadata(
  metadata: Readonly<Record<string, string>>,
  tensorNames: readonly string[],
  file: string,
): TagMetadata {
  checkFormat(metadata, tensorNames, file);
  const parsed = metadataSchema.safeParse(metadata);
  if (!parsed.success) throw metadataError(parsed.error, metadata, file);
  const { name, kind, length, width, isolate, bos, outputs, base, provenance, digest, ...entries } =
    parsed.data;
  return {
    name,
    kind,
    length,
    width,
    splitCharacters: entries.split_characters,
    isolate,
    bos,
    scaling: entries.scaling ?? null,
    ...(entries.classes && { classes: entries.classes }),
    ...(entries.conformal && { conformal: entries.conformal }),
    ...(entries.outliers && { outliers: entries.outliers }),
    template: entries.messages ?? entries.template ?? null,
    ...(entries.chat !== undefined && { chat: entries.chat }),
    ...(entries.max_tokens !== undefined && { maxTokens: entries.max_tokens }),
    ...(entries.answer_tokens !== undefined && { answerTokens: entries.answer_tokens }),
    outputs,
    usesTags: entries.uses_tags,
    base,
    provenance,
    digest,
  };
}

function checkFormat(
  metadata: Readonly<Record<string, string>>,
  tensorNames: readonly string[],
  file: string,
): void {
  if (metadata.format !== format) {
    const tensors = tensorNames.slice(0, 3).map(quote).join(", ");
    const found = `its format is ${metadata.format === undefined ? "not given" : quote(metadata.format)} and its tensors are ${tensors || "none"}`;
    throw new TagllmError(
      "tag/not-a-tag",
      `${file} holds no tag: ${found}.`,
      "Give a file that tagllm has saved; models and adapters of other programs are not tags.",
    );
  }
  const version = metadata.format_version;
  if (version !== String(formatVersion)) {
    const found = version === undefined ? "no format version" : `format version ${quote(version)}`;
    throw new TagllmError(
      "tag/version",
      `${file} has ${found}; this tagllm reads version ${formatVersion}.`,
      Number(version) > formatVersion ? "Install a newer tagllm." : "Train the tag again.",
    );
  }
}

function metadataError(
  error: z.ZodError,
  metadata: Readonly<Record<string, string>>,
  file: string,
): TagllmError {
  const issue = error.issues[0]!;
  if (issue.code === "unrecognized_keys") {
    const keys = issue.keys.map(quote).join(", ");
    return damage("tag/metadata", file, `the metadata has the unknown entry ${keys}.`, error);
  }
  const key = String(issue.path[0]);
  const value = metadata[key];
  const found = value === undefined ? `no entry ${quote(key)}` : `${quote(key)} as ${quote(value)}`;
  const within = issue.path.length > 1 ? ` at ${issue.path.slice(1).join(".")}` : "";
  const code = key === "kind" ? "tag/kind" : "tag/metadata";
  return damage(code, file, `the metadata has ${found} (${issue.message}${within}).`, error);
}
