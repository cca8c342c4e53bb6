/**
 * Is a tag fit for use? Its file, what it promises, the tags it asks for, its base, and whether it does anything:
 * one list of checks for each tag. A check that fails is a finding, not an error.
 */

import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { applyHead } from "../batch/head.ts";
import type { Query } from "../batch/layout.ts";
import { Runner } from "../batch/runner.ts";
import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import { type BoundTemplate, bindTemplate } from "../prompts/bind.ts";
import { compilePrompt } from "../prompts/prompt.ts";
import { templateText, writtenPieces } from "../prompts/template.ts";
import { quote } from "../suggest.ts";
import { requireBase } from "../tags/base.ts";
import { loadTag, tagFile } from "../tags/file.ts";
import { type ListedTag, listTags, requireUsedTags, tagsAskedFor } from "../tags/library.ts";
import { longestPrompt, type Tag, tagSpec } from "../tags/tag.ts";
import { domainTemplate, templateOf } from "../tags/template.ts";
import { readout } from "../train/tasks.ts";

export interface TagCheck {
  readonly check: "file" | "answers" | "companions" | "base" | "difference";
  /** `open`: it could not be looked at. */
  readonly state: "ok" | "wrong" | "open";
  readonly found: string;
}

export interface VerifiedTag {
  readonly file: string;
  /** null: the file cannot be read. */
  readonly tag: string | null;
  readonly ok: boolean;
  readonly checks: readonly TagCheck[];
}

export interface VerifyOptions {
  /** The base is whatever was at hand: a tag of another is not wrong, it is not looked at. */
  readonly anyBase?: boolean;
  readonly signal?: AbortSignal;
}

/** Least change of the hidden state, as a share of its norm; rounding is a thousand times smaller. */
const LEAST_CHANGE = 1e-3;
/** Least change of a head's output, in units of the target's spread. */
const LEAST_STEP = 1e-3;
/** What the fields of a prompt are filled with to see whether a tag makes a difference. */
const FILLING = "CCO";

/** @param path a tag file or a folder of them. @throws tag/missing when there is neither */
export async function verifyTags(
  path: string,
  base: Base,
  options: VerifyOptions = {},
): Promise<VerifiedTag[]> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const entries = isFolder ? await listTags(path) : [await listed(path)];
  const verified: VerifiedTag[] = [];
  for (const entry of entries) verified.push(await verifyOne(entry, base, options));
  return verified;
}

async function listed(file: string): Promise<ListedTag> {
  try {
    return { file, tag: await loadTag(file) };
  } catch (error) {
    if (!(error instanceof TagllmError) || error.code === "tag/missing") throw error;
    return { file, error };
  }
}

async function verifyOne(entry: ListedTag, base: Base, options: VerifyOptions): Promise<VerifiedTag> {
  const { file } = entry;
  if ("error" in entry) {
    const found = `${entry.error.code}: ${entry.error.problem}`;
    return { file, tag: null, ok: false, checks: [{ check: "file", state: "wrong", found }] };
  }
  const { tag } = entry;
  const tags = new Map([[tag.name, tag]]);
  const checks: TagCheck[] = [
    { check: "file", state: "ok", found: "sizes, finite numbers and digest are as it says" },
    await checked("answers", async () => answersOf(tag)),
    await checked("companions", async () => {
      const asked = tagsAskedFor(tag);
      for (const name of asked) tags.set(name, await loadTag(tagFile(dirname(file), name)));
      requireUsedTags(tag, tags);
      return asked.length === 0
        ? "it asks for no other tag"
        : `${asked.join(", ")}: there, as it was trained with`;
    }),
    await baseCheck(tag, base, options),
  ];
  const fit = checks.every(({ state }) => state === "ok");
  checks.push(
    fit
      ? await checked("difference", () => differenceOf(tag, tags, base, options))
      : { check: "difference", state: "open", found: "not looked at before the rest is in order" },
  );
  return { file, tag: tag.name, ok: checks.every(({ state }) => state !== "wrong"), checks };
}

async function baseCheck(tag: Tag, base: Base, { anyBase }: VerifyOptions): Promise<TagCheck> {
  const check = await checked("base", async () => {
    requireBase(tag, base.fingerprint);
    return `${base.name} ${base.fingerprint.id}`;
  });
  if (check.state === "ok" || !anyBase) return check;
  const found = `it belongs to ${quote(tag.base.name)} (${tag.base.id}), which was not given`;
  return { check: "base", state: "open", found };
}

async function checked(check: TagCheck["check"], look: () => Promise<string>): Promise<TagCheck> {
  try {
    return { check, state: "ok", found: await look() };
  } catch (error) {
    if (error instanceof Finding) return { check, state: "wrong", found: error.message };
    if (!(error instanceof TagllmError) || error.code === "aborted") throw error;
    return { check, state: "wrong", found: `${error.code}: ${error.problem.trimEnd()}` };
  }
}

class Finding extends Error {}

/** What a function tag says that it can do, beyond what every tag file must hold to be read. */
function answersOf({
  name,
  kind,
  template,
  outputs,
  head,
  classes,
  scaling,
  conformal,
  outliers,
}: Tag): string {
  if (kind === "domain") return "a domain tag answers nothing";
  if (template === null) throw new Finding("it has no template, so nothing can be asked of it");
  if (outputs.length === 0) throw new Finding("it does not say what it answers");
  const named = writtenPieces(template).some((piece) => piece.kind === "tag" && piece.name === name);
  if (!named) throw new Finding(`its template ${quote(templateText(template))} does not hold <${name}>`);
  if (!head) return `${outputs.join(", ")} in text`;
  if (head.weight.every((weight) => weight === 0))
    throw new Finding("its head is zero: it answers the same to all");
  const unknown = outputs.filter((_, k) => (conformal?.[k] ?? null) === null);
  return [
    classes ? `${outputs[0]}, one of ${classes.length} classes` : `${outputs.join(", ")} through a head`,
    ...(classes ? [] : [scaling ? "in the target's unit" : "as the head gives it"]),
    unknown.length > 0 ? `no interval for ${unknown.join(", ")}` : "with intervals",
    outliers ? "tells unlike rows" : "cannot tell unlike rows",
  ].join("; ");
}

/** Runs a prompt with the tag and the same without its vectors. */
async function differenceOf(
  tag: Tag,
  tags: ReadonlyMap<string, Tag>,
  base: Base,
  { signal }: VerifyOptions,
): Promise<string> {
  if (tag.length === 0) return "it has no vectors: its head answers from the base's own state";
  const asking = tag.kind === "function";
  const parsed = asking ? templateOf(tag, base.tokenizer) : domainTemplate(tag.name, base.tokenizer);
  const bound = (length: number): BoundTemplate => {
    const specs = [...tags.values()].map((t) => tagSpec(t));
    const fields = parsed.pieces.flatMap((piece) => (piece.kind === "field" ? [piece.name] : []));
    return bindTemplate(parsed, {
      tags: new Map(specs.map((spec) => [spec.name, spec.name === tag.name ? { ...spec, length } : spec])),
      fields,
      ...(tag.outputs[0] !== undefined && { target: tag.outputs[0] }),
    });
  };
  const queryOf = (length: number): Query => {
    const form = bound(length);
    if (asking && form.functionTag?.name !== tag.name)
      throw new Finding(`its template ${quote(parsed.source)} does not end in <${tag.name}>`);
    const names = form.question.flatMap((part) => (part.kind === "field" ? [part.name] : []));
    const prompt = compilePrompt(form, Object.fromEntries(names.map((name) => [name, FILLING])), {
      tokenizer: base.tokenizer,
      maxTokens: longestPrompt(tag, base.architecture.maxPositions),
      bos: tag.bos || (!asking && base.tokenizer.bosId !== null),
      withTarget: false,
      eosAfterTarget: false,
    });
    return { prompt, isolate: asking && tag.isolate, cut: 0 };
  };
  const vectorsOf = (name: string) => (tags.get(name) as Tag).vectors;
  const runner = new Runner(base, vectorsOf, { reuse: "none", tokens: 512, ...(signal && { signal }) });
  const at = asking ? readout : ({ prompt }: Query) => prompt.ids.length - 1;
  const [given, without] = [
    await runner.hidden([queryOf(tag.length)], at),
    await runner.hidden([queryOf(0)], at),
  ];
  const change = distance(given, without) / Math.hypot(...without);
  const { head } = tag;
  const said = `with it the hidden state is another by ${percent(change)} of its norm`;
  if (!(change > LEAST_CHANGE)) throw new Finding(`it makes no difference: ${said}`);
  if (!head) return said;
  const full = { ...head, bias: head.bias ?? new Float32Array(head.outputs) };
  const step = distance(applyHead(given, full), applyHead(without, full));
  const answers = `and what its head says by ${step.toPrecision(2)} ${tag.scaling ? "spreads of the target" : "units"}`;
  if (!(step > LEAST_STEP)) throw new Finding(`it makes no difference to its answer: ${said}, ${answers}`);
  return `${said}, ${answers}`;
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(squares);
}
