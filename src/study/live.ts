/** The tags of a study while it runs: their current values, and the files that come of them. */

import type { HeadValues } from "../batch/head.ts";
import type { OutlierDetector } from "../evaluate/outliers.ts";
import type { Base } from "../models/base.ts";
import type { TemplateSource } from "../prompts/template.ts";
import {
  type EmbeddingStats,
  type EmbeddingTable,
  embeddingStats,
  initialVectors,
  type TagInit,
} from "../tags/init.ts";
import { defaultAnswerTokens, type Scaling, type Tag, tagDigest } from "../tags/tag.ts";
import type { PreparedStudy } from "./prepare.ts";
import type { Study, StudyTag } from "./schema.ts";
import { maxTokens } from "./tasks.ts";

export interface LiveTag {
  readonly name: string;
  readonly spec: StudyTag;
  /** [length, width]; training changes it in place. */
  readonly vectors: Float32Array;
  head: HeadValues | null;
  scaling: Scaling[] | null;
  classes: string[] | null;
  conformal: (number | null)[] | null;
  outliers: OutlierDetector | null;
  template: TemplateSource | null;
  /** With a template of messages: sha256 of the chat template. */
  chat: string | null;
  /** Of the prompts it was trained with. */
  isolate: boolean;
  bos: boolean;
  /** The longest prompt and text answer of its training, where they are not what goes without saying. */
  maxTokens: number | null;
  answerTokens: number | null;
  outputs: string[];
  usesTags: string[];
  provenance: Record<string, unknown>;
}

export type LiveTags = ReadonlyMap<string, LiveTag>;

export interface Embeddings {
  readonly table: EmbeddingTable;
  readonly stats: EmbeddingStats;
  /** Root mean square of a number in the table: the unit of `rate`. */
  readonly rms: number;
}

export async function readEmbeddings(base: Base): Promise<Embeddings> {
  const rows = await base.embeddingRows();
  const table = { rows, vocab: base.architecture.vocabSize, width: base.architecture.hiddenSize };
  let squares = 0;
  for (const x of rows) squares += x * x;
  return { table, stats: embeddingStats(table), rms: Math.sqrt(squares / rows.length) };
}

/** Fresh tags of a study for one seed: initialised, or read from the files that the study names. */
export function startTags(
  prepared: PreparedStudy,
  embeddings: Embeddings,
  seed: number,
): Map<string, LiveTag> {
  const { base, given } = prepared;
  const { study } = prepared.loaded;
  const live = new Map<string, LiveTag>();
  for (const [index, [name, spec]] of Object.entries(study.tags).entries()) {
    const blank = {
      name,
      spec,
      head: null,
      scaling: null,
      template: null,
      chat: null,
      isolate: false,
      bos: false,
      ...limitsOf(study, name, base),
    };
    const answers = { classes: null, conformal: null, outliers: null };
    const unused = { outputs: [], usesTags: [], provenance: {} };
    const stored = given.get(name);
    if (stored)
      live.set(name, {
        ...blank,
        ...answers,
        ...unused,
        ...valuesOf(stored),
        // What it was trained beside before may have no tag here, or another one of that name.
        ...(isTrained(study, name) && { ...limitsOf(study, name, base), usesTags: [] }),
      });
    else {
      const init = initOf(spec, base);
      const vectors = initialVectors(
        embeddings.table,
        embeddings.stats,
        spec.length,
        init,
        Math.imul(seed, 1000) + index, // of large seeds a double has no exact product
      );
      live.set(name, { ...blank, ...answers, ...unused, vectors });
    }
  }
  return live;
}

export const isTrained = ({ stages }: Study, name: string): boolean =>
  stages.some(({ train }) => train.includes(name));

function limitsOf(study: Study, name: string, base: Base): Pick<LiveTag, "maxTokens" | "answerTokens"> {
  const spec = study.tags[name];
  const inText = spec?.kind === "function" && spec.answer === "text";
  const last = study.stages.findLast(({ train }) => train.includes(name));
  const longest = maxTokens(study, base);
  const answer = (inText && last?.answers.tokens) || defaultAnswerTokens;
  return {
    maxTokens: longest < base.architecture.maxPositions ? longest : null,
    answerTokens: answer === defaultAnswerTokens ? null : answer,
  };
}

function initOf({ init }: StudyTag, base: Base): TagInit {
  if (init.from !== "text") return { from: init.from, noise: init.noise };
  return { from: "text", ids: base.tokenizer.encode(init.text ?? "", { atStart: true }), noise: init.noise };
}

const ownHead = ({ outputs, weight, bias }: NonNullable<Tag["head"]>): HeadValues => ({
  outputs,
  weight: weight.slice(),
  bias: bias?.slice() ?? new Float32Array(outputs),
});

/** What a live tag takes over from one that was stored, which stays as it is. */
function valuesOf(tag: Tag) {
  const { head, scaling, template, isolate, bos, outputs, usesTags, provenance } = tag;
  return {
    classes: tag.classes ?? null,
    conformal: tag.conformal ?? null,
    outliers: tag.outliers ?? null,
    vectors: tag.vectors.slice(),
    head: head && ownHead(head),
    scaling,
    template,
    chat: tag.chat ?? null,
    isolate,
    bos,
    maxTokens: tag.maxTokens ?? null,
    answerTokens: tag.answerTokens ?? null,
    outputs,
    usesTags: usesTags.map((t) => t.name),
    provenance,
  };
}

/** Puts stored tags of the same study in the place of live ones. */
export function restoreTags(live: Map<string, LiveTag>, tags: readonly Tag[]): void {
  for (const tag of tags) live.set(tag.name, { ...(live.get(tag.name) as LiveTag), ...valuesOf(tag) });
}

/** The tag as it is written to a file. */
export function freezeTag(live: LiveTag, all: LiveTags, base: Base): Tag {
  const { name, spec, vectors, head, scaling, template, outputs, provenance } = live;
  const domain = spec.kind === "domain";
  return {
    name,
    kind: spec.kind,
    vectors: vectors.slice(),
    length: spec.length,
    width: base.architecture.hiddenSize,
    head: head && { outputs: head.outputs, weight: head.weight.slice(), bias: head.bias.slice() },
    splitCharacters: domain && spec.splitCharacters,
    isolate: domain ? spec.isolate : live.isolate,
    bos: live.bos,
    scaling,
    ...(live.classes && { classes: [...live.classes] }),
    ...(live.conformal && { conformal: [...live.conformal] }),
    ...(live.outliers && { outliers: live.outliers }),
    template,
    ...(live.chat !== null && { chat: live.chat }),
    ...(live.maxTokens !== null && { maxTokens: live.maxTokens }),
    ...(live.answerTokens !== null && { answerTokens: live.answerTokens }),
    outputs,
    usesTags: live.usesTags.map((used) => ({
      name: used,
      sha256: tagDigest(freezeTag(all.get(used) as LiveTag, all, base)),
    })),
    base: base.fingerprint,
    provenance,
  };
}
