/** `tagllm tags list` and `tagllm tags show`: what tag files say. */
import { basename } from "node:path";
import { loadTag } from "../../tags/file.ts";
import { listTags } from "../../tags/library.ts";
import { detectorEntry, type Tag, tagDigest } from "../../tags/tag.ts";
import type { Result } from "../result.ts";
import { printable, properties, table } from "../table.ts";

export async function listFolder(folder: string): Promise<Result> {
  const listed = await listTags(folder);
  const columns = ["tag", "kind", "vectors", "answers", "beside", "base"].map((title) => ({ title }));
  const rows = listed.map((entry) =>
    "tag" in entry
      ? [
          entry.tag.name,
          entry.tag.kind,
          String(entry.tag.length),
          answers(entry.tag),
          entry.tag.usesTags.map(({ name }) => name).join(", "),
          `${entry.tag.base.name} ${entry.tag.base.id}`,
        ]
      : [basename(entry.file), `error[${entry.error.code}]`, "", entry.error.problem],
  );
  const json = listed.map((entry) =>
    "tag" in entry
      ? { file: entry.file, ...summary(entry.tag) }
      : { file: entry.file, error: errorOf(entry) },
  );
  const text = rows.length === 0 ? `There are no tag files in ${folder}.` : table(columns, rows);
  return { text, json: { folder, tags: json } };
}

export async function showTag(file: string): Promise<Result> {
  const tag = await loadTag(file);
  const { base } = tag;
  const entries: [string, string][] = [
    ["tag", tag.name],
    ["kind", tag.kind],
    ["vectors", `${tag.length} of ${tag.width} numbers`],
  ];
  if (tag.kind === "domain") {
    entries.push(["splits characters", yesOrNo(tag.splitCharacters)]);
    entries.push(["isolates its spans", yesOrNo(tag.isolate)]);
  } else {
    entries.push(["template", JSON.stringify(tag.template)], ["answers", answers(tag)]);
    tag.scaling?.forEach(({ mean, scale }, k) => {
      entries.push([`scaling of ${tag.outputs[k]}`, `mean ${mean}, scale ${scale}`]);
    });
    entries.push(...doubts(tag));
    entries.push(["isolates spans", yesOrNo(tag.isolate)], ["begins with BOS", yesOrNo(tag.bos)]);
    for (const { name, sha256 } of tag.usesTags) entries.push(["trained beside", `${name} ${sha256}`]);
  }
  entries.push(
    ["base", `${base.name} ${base.id}`],
    [
      "",
      `${base.architecture}, ${base.layers} layers of ${base.hiddenSize}, vocabulary of ${base.vocabSize}`,
    ],
    ["digest", tagDigest(tag)],
  );
  for (const [name, value] of Object.entries(tag.provenance)) entries.push([name, asText(value)]);
  const json = { file, ...summary(tag), digest: tagDigest(tag), provenance: tag.provenance };
  return { text: properties(entries.map(([name, value]) => [name, printable(value)])), json };
}

/** All of a tag but its numbers. */
function summary({ vectors: _vectors, head, outliers, provenance: _provenance, ...rest }: Tag): object {
  return {
    ...rest,
    head: head && { outputs: head.outputs, bias: head.bias !== null },
    ...(outliers && { outliers: detectorEntry(outliers) }),
  };
}

function answers({ kind, head, outputs, classes }: Tag): string {
  if (kind === "domain") return "";
  const what = classes ? `one of ${classes.join(", ")}` : head ? "number" : "text";
  return `${outputs.join(", ")} (${what}${!classes && outputs.length > 1 ? "s" : ""})`;
}

/** What a function tag can say of its own answers. */
function doubts({ conformal, outliers, classes, outputs }: Tag): [string, string][] {
  const limits = (conformal ?? []).map((limit, k): [string, string] => [
    `90 % of ${outputs[k]}`,
    limit === null
      ? "not known: too few validation rows"
      : classes
        ? `all classes with a probability of at least ${(1 - limit).toPrecision(4)}`
        : `within ${limit.toPrecision(4)} of the answer`,
  ]);
  return outliers
    ? [...limits, ["unlike rows", `further than ${outliers.threshold.toPrecision(4)}`]]
    : limits;
}

function errorOf({ error }: { error: { code: string; problem: string; cure: string } }): object {
  return { code: error.code, problem: error.problem, cure: error.cure };
}

function yesOrNo(value: boolean): string {
  return value ? "yes" : "no";
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
