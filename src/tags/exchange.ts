/**
 * Tags from and for other programs: .npy files as the paper's code saved them and PEFT's prompt-tuning adapters.
 * Only vectors pass; what makes them a tag (name, kind, prompt, base) is said by whoever imports them.
 */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import { bindTemplate } from "../prompts/bind.ts";
import { parseTemplate, type Template } from "../prompts/template.ts";
import { replaceFile } from "../replace-file.ts";
import { quote } from "../suggest.ts";
import { version } from "../version.ts";
import { requireBase } from "./base.ts";
import { checkTag } from "./check.ts";
import { loadTag, saveTag, tagFile } from "./file.ts";
import { embeddingStats } from "./init.ts";
import { encodeNpy, type Matrix, openForeign, pickled, readNpy } from "./npy.ts";
import { isPeft, type PeftPrompt, readPeft, writePeft } from "./peft.ts";
import { type Tag, tagDigest, tagSpec } from "./tag.ts";

export interface ImportOptions {
  readonly name: string;
  readonly kind: "domain" | "function";
  /** Folder of the library it comes into; the domain tags that its template names must be there. */
  readonly into: string;
  /** Function tags: no foreign file has a head. */
  readonly answer?: "text";
  /** Function tags: the prompt, which ends in the tag. */
  readonly template?: string;
  /** Function tags: what the text is that they answer. Default: the field after the tag, or `answer`. */
  readonly output?: string;
  /** Domain tags. */
  readonly splitCharacters?: boolean;
  /** Domain tags: default yes. Function tags: default no, as for text answers. */
  readonly isolate?: boolean;
  /** Prompts begin with BOS. */
  readonly bos?: boolean;
}

export interface Imported {
  readonly file: string;
  readonly tag: Tag;
  /** For people: what is unusual about the vectors. */
  readonly warnings: readonly string[];
}

/** @throws import/*, tag/duplicate, tag/not-finite, tag/name, prompts/* */
export async function importTag(path: string, base: Base, options: ImportOptions): Promise<Imported> {
  const file = tagFile(options.into, options.name);
  if (await stat(file).catch(() => null)) {
    throw new TagllmError(
      "tag/duplicate",
      `${file} is there already.`,
      "Give another name, or remove it first.",
    );
  }
  const matrix = await readForeign(path);
  requireFit(matrix, path, base);
  const { rows: length, width, values: vectors } = matrix;
  const provenance = {
    importedFrom: basename(path),
    ...("method" in matrix && { method: matrix.method, trainedOn: matrix.baseName }),
    version,
  };
  const common = { name: options.name, kind: options.kind, vectors, length, width, provenance };
  const silent = { head: null, scaling: null, base: base.fingerprint, bos: options.bos ?? false };
  const meaning =
    options.kind === "domain" ? domainParts(options) : await functionParts(options, length, base);
  const tag: Tag = { ...common, ...silent, ...meaning };
  checkTag(tag, path);
  await saveTag(file, tag);
  return { file, tag, warnings: await normWarnings(matrix, base) };
}

async function readForeign(path: string): Promise<Matrix | PeftPrompt> {
  if (path.endsWith(".npy")) return readNpy(path);
  if (await isPeft(path)) return readPeft(path);
  const start = await firstBytes(path);
  if (start.startsWith("\x93NUMPY")) return readNpy(path);
  // A zip is what torch.save and np.savez write; the others begin as pickles of protocol 2 and later do.
  if (start.startsWith("\x80") || /\.(pt|pth|bin|pkl|pickle|ckpt)$/.test(path))
    throw pickled(path, "a file of Python objects");
  const what = start.startsWith("PK") ? "a zip archive (np.savez or torch.save)" : "something else";
  throw new TagllmError(
    "import/format",
    `${path} is ${what}, neither a .npy file nor a PEFT adapter.`,
    "Save one tag with np.save, or give the folder that PEFT's save_pretrained wrote.",
  );
}

async function firstBytes(path: string): Promise<string> {
  const handle = await openForeign(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    return buffer.subarray(0, bytesRead).toString("latin1");
  } finally {
    await handle.close();
  }
}

function requireFit({ rows, width }: Matrix, path: string, { architecture, name }: Base): void {
  const { hiddenSize, maxPositions } = architecture;
  if (width !== hiddenSize) {
    const turned = rows === hiddenSize ? " It may be transposed: rows are vectors." : "";
    throw new TagllmError(
      "import/shape",
      `${path} has ${rows} vectors of ${width} numbers, and the base ${quote(name)} is ${hiddenSize} wide.${turned}`,
      "Give the base it was trained on with --base.",
    );
  }
  if (rows >= maxPositions) {
    throw new TagllmError(
      "import/shape",
      `${path} has ${rows} vectors, and the base ${quote(name)} reads ${maxPositions} positions.`,
      "A file holds one tag: save its few vectors alone.",
    );
  }
}

function domainParts({ name, template, answer, output, splitCharacters, isolate }: ImportOptions) {
  const extra = template !== undefined ? "a template" : (answer ?? output) !== undefined ? "an answer" : null;
  if (extra) {
    const problem = `${quote(name)} is to be a domain tag and has ${extra}.`;
    throw new TagllmError("import/answer", problem, "Leave it out, or import a function tag.");
  }
  return {
    splitCharacters: splitCharacters ?? false,
    isolate: isolate ?? true,
    template: null,
    outputs: [],
    usesTags: [],
  };
}

async function functionParts(
  { name, template, output, splitCharacters, isolate, into }: ImportOptions,
  length: number,
  base: Base,
): Promise<Pick<Tag, "splitCharacters" | "isolate" | "template" | "outputs" | "usesTags">> {
  const wrong = (problem: string, cure: string) => new TagllmError("import/answer", problem, cure);
  if (splitCharacters)
    throw wrong(`${quote(name)} is to be a function tag and to split characters.`, "Only domain tags do.");
  if (template === undefined)
    throw wrong(
      `The function tag ${quote(name)} has no template.`,
      `Give its prompt: --template "... <${name}>".`,
    );
  const parsed = parseTemplate(template);
  const used: Tag[] = [];
  const target = output ?? fieldAfter(name, parsed) ?? "answer";
  const specs = new Map([
    [name, { name, kind: "function" as const, length, splitCharacters: false, isolate: false }],
  ]);
  for (const piece of parsed.pieces) {
    if (piece.kind !== "tag" || piece.name === name || used.some((tag) => tag.name === piece.name)) continue;
    used.push(await loadTag(tagFile(into, piece.name)));
  }
  for (const tag of used) requireBase(tag, base.fingerprint);
  const fields = parsed.pieces.flatMap((piece) => (piece.kind === "field" ? [piece.name] : []));
  const tags = new Map([...specs, ...used.map((tag) => [tag.name, tagSpec(tag)] as const)]);
  const bound = bindTemplate(parsed, { tags, fields, target });
  if (bound.functionTag?.name !== name)
    throw wrong(`The template ${quote(template)} does not end in <${name}>.`, `End it with <${name}>.`);
  return {
    splitCharacters: false,
    isolate: isolate ?? false,
    template,
    outputs: [target],
    usesTags: used.map((tag) => ({ name: tag.name, sha256: tagDigest(tag) })),
  };
}

function fieldAfter(tag: string, { pieces }: Template): string | null {
  const at = pieces.findIndex((piece) => piece.kind === "tag" && piece.name === tag);
  const field = pieces.slice(at + 1).find((piece) => piece.kind === "field");
  return at >= 0 && field?.kind === "field" ? field.name : null;
}

/** How many times longer or shorter than the base's rows a vector may be before it is unusual. */
const UNUSUAL = 5;

async function normWarnings({ rows, width, values }: Matrix, base: Base): Promise<string[]> {
  const table = { rows: await base.embeddingRows(), vocab: base.architecture.vocabSize, width };
  const { meanNorm } = embeddingStats(table);
  const norms = Array.from({ length: rows }, (_, r) =>
    Math.hypot(...values.subarray(r * width, (r + 1) * width)),
  );
  const far = norms.filter((norm) => norm > UNUSUAL * meanNorm || norm < meanNorm / UNUSUAL);
  if (far.length === 0) return [];
  const range = `${Math.min(...norms).toPrecision(3)} to ${Math.max(...norms).toPrecision(3)}`;
  return [
    `${far.length} of ${rows} vectors are unlike the base's embeddings: their norms are ${range}, an embedding's is ${meanNorm.toPrecision(3)} on average. Vectors of another base, or scaled in another place, look like that.`,
  ];
}

export type ExportFormat = "npy" | "peft";

/** What of a tag is not in its exported file. */
export function leftBehind(tag: Tag): string[] {
  return [
    ...(tag.head ? ["its head"] : []),
    ...(tag.scaling ? ["its scaling"] : []),
    ...(tag.template === null ? [] : ["its template"]),
  ];
}

/** Writes a tag's vectors as a .npy file or a PEFT adapter; what is there is never replaced. @throws tag/write */
export async function exportTag(tag: Tag, format: ExportFormat, out: string): Promise<void> {
  if (tag.length === 0) {
    const problem = `${quote(tag.name)} has no vectors: it is the linear probe, a head alone.`;
    throw new TagllmError("tag/shape", problem, "Export a tag that has some; its own file holds the head.");
  }
  if (await stat(out).catch(() => null)) {
    throw new TagllmError("tag/write", `${out} is there already.`, "Give another path, or remove it first.");
  }
  const { length: rows, width, vectors: values } = tag;
  try {
    if (format === "npy") await replaceFile(out, encodeNpy({ rows, width, values }));
    else await writePeft(out, tag);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new TagllmError(
      "tag/write",
      `${out} cannot be written (${reason}).`,
      "Check the path and its permissions.",
      { cause },
    );
  }
}
