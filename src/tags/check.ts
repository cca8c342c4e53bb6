/**
 * Is this tag whole and consistent? One check for tags about to be written and tags just read, so that nothing
 * can be saved that could not be loaded. The grammar of the file's metadata is in metadata.ts.
 */
import { type ErrorCode, TagllmError } from "../errors.ts";
import { tagNamePattern, tagNameRule, templateText } from "../prompts/template.ts";
import { quote } from "../suggest.ts";
import type { Tag } from "./tag.ts";

/** Throws tag/name, kind, shape, not-finite or metadata; `file` is where the tag is read from or written to. */
export function checkTag(tag: Tag, file: string): void {
  checkTagName(tag.name, file);
  checkKind(tag, file);
  checkSizes(tag, file);
  checkLimits(tag, file);
  checkFinite("vectors", tag.vectors, file);
  if (tag.head) checkFinite("head.weight", tag.head.weight, file);
  if (tag.head?.bias) checkFinite("head.bias", tag.head.bias, file);
  if (tag.outliers) checkFinite("outliers.whitening", tag.outliers.whitening, file);
  if (tag.outliers) checkFinite("outliers.mean", tag.outliers.mean, file);
  for (const { mean, scale } of tag.scaling ?? []) {
    if (Number.isFinite(mean) && Number.isFinite(scale) && scale > 0) continue;
    const problem = `${file}: the scaling has mean ${mean} and scale ${scale}.`;
    throw new TagllmError("tag/metadata", problem, "Both must be finite and the scale above 0.");
  }
  if ((tag.chat !== undefined) === Array.isArray(tag.template)) return;
  const problem = `${file}: ${quote(tag.name)} has ${tag.chat === undefined ? "messages without" : "no messages for"} a chat template.`;
  throw new TagllmError("tag/metadata", problem, cureOfDamage);
}

export function checkTagName(name: string, file: string): void {
  if (tagNamePattern.test(name)) return;
  throw new TagllmError(
    "tag/name",
    `${file}: ${quote(name)} is not a name for a tag.`,
    `A name is ${tagNameRule}.`,
  );
}

function checkKind(tag: Tag, file: string): void {
  const wrong = (has: string) =>
    new TagllmError(
      "tag/kind",
      `${file}: ${quote(tag.name)} is of kind ${quote(tag.kind)} and has ${has}.`,
      "Domain tags have character splitting; function tags have a head, template, outputs and companions.",
    );
  if (tag.kind === "function") {
    if (tag.splitCharacters) throw wrong("character splitting");
  } else {
    if (tag.head) throw wrong("a head");
    if (tag.scaling) throw wrong("a scaling");
    if (tag.classes) throw wrong("classes");
    if (tag.conformal) throw wrong("conformal thresholds");
    if (tag.outliers) throw wrong("a detector of outliers");
    if (tag.template !== null) throw wrong(`the template ${quote(templateText(tag.template))}`);
    if (tag.outputs.length > 0) throw wrong(`the outputs ${tag.outputs.map(quote).join(", ")}`);
    if (tag.usesTags.length > 0) throw wrong("companion tags");
    if (tag.answerTokens !== undefined) throw wrong("a longest answer");
  }
}

function checkLimits({ name, head, maxTokens, answerTokens }: Tag, file: string): void {
  for (const [what, tokens] of [
    ["prompt", maxTokens],
    ["answer", answerTokens],
  ] as const) {
    if (tokens === undefined || (Number.isInteger(tokens) && tokens >= 1)) continue;
    const problem = `${file}: the longest ${what} of ${quote(name)} has ${tokens} tokens.`;
    throw new TagllmError("tag/metadata", problem, "It is a whole number of 1 or more.");
  }
  if (!head || answerTokens === undefined) return;
  const problem = `${file}: ${quote(name)} has a head, and a longest answer of ${answerTokens} tokens.`;
  throw new TagllmError("tag/metadata", problem, cureOfDamage);
}

function checkSizes(tag: Tag, file: string): void {
  const { vectors, length, width, head, scaling, outputs, classes, conformal, outliers } = tag;
  const expect = (what: string, found: number, expected: number, because: string) => {
    if (found === expected) return;
    throw new TagllmError(
      "tag/shape",
      `${file}: ${what} is ${found}, not ${expected} (${because}).`,
      cureOfDamage,
    );
  };
  const fewest = head ? 0 : 1;
  if (!(length >= fewest && width >= 1 && Number.isInteger(length) && Number.isInteger(width))) {
    const problem = `${file}: the tag has ${length} vectors of ${width} numbers.`;
    throw new TagllmError("tag/shape", problem, "A tag without a head has at least one vector.");
  }
  expect("the width", width, tag.base.hiddenSize, `that of its base ${quote(tag.base.name)}`);
  expect(
    "the count of numbers in vectors",
    vectors.length,
    length * width,
    `length ${length} x width ${width}`,
  );
  if (head) {
    const size = `${head.outputs} outputs x width ${width}`;
    expect("the count of numbers in head.weight", head.weight.length, head.outputs * width, size);
    if (head.bias)
      expect("the count of numbers in head.bias", head.bias.length, head.outputs, "one per output");
    if (classes) {
      expect("the count of classes", classes.length, head.outputs, "one per output of the head");
      expect("the count of named outputs", outputs.length, 1, "classes answer for one column");
    } else expect("the count of named outputs", outputs.length, head.outputs, "one per output of the head");
  }
  if (conformal)
    expect("the count of conformal thresholds", conformal.length, outputs.length, "one per output");
  if (outliers) {
    const { mean, whitening } = outliers;
    expect(
      "the count of numbers in outliers.whitening",
      whitening.length,
      mean.length ** 2,
      "projections squared",
    );
  }
  if (scaling)
    expect("the count of scalings", scaling.length, head?.outputs ?? 0, "one per output of the head");
}

function checkFinite(what: string, numbers: Float32Array, file: string): void {
  const at = numbers.findIndex((value) => !Number.isFinite(value));
  if (at === -1) return;
  const problem = `${file}: number ${at + 1} of ${what} is ${numbers[at]}.`;
  throw new TagllmError("tag/not-finite", problem, "Train the tag again, with a smaller learning rate.");
}

export const cureOfDamage = "Copy the file again from where it was made, or train the tag again.";

/** The tag error that says `problem` about a file that is not as tagllm writes it. */
export function damage(code: ErrorCode, file: string, problem: string, cause?: unknown): TagllmError {
  return new TagllmError(code, `${file}: ${problem}`, cureOfDamage, cause === undefined ? {} : { cause });
}
