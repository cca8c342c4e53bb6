/** What a stage keeps of its prompts between steps, chosen from how large that is and how much room there is. */
import { BlockFiles } from "../batch/block-files.ts";
import { BlockNames } from "../batch/blocks.ts";
import { type Layout, layOut, type Reuse } from "../batch/layout.ts";
import { Runner, type RunnerOptions } from "../batch/runner.ts";
import { BlockStore, positionBytes } from "../batch/store.ts";
import type { PreparedStage, PreparedStudy } from "./prepare.ts";
import { hasHead, queryOf } from "./tasks.ts";

export interface Stored {
  readonly reuse: Reuse;
  /** Keys and values of all prompts; what memory and disk have no room for is computed again. */
  readonly bytes: number;
  /** Why nothing is stored. */
  readonly reason?: string;
}

const notStored = (reason: string): Stored => ({ reuse: "none", bytes: 0, reason });

export const notAsked = notStored("reuse is switched off");

/** It follows from rows, prompts and room, which are those of all seeds. */
const chosen = new WeakMap<PreparedStage, Stored>();

export function storedOf(prepared: PreparedStudy, stage: PreparedStage): Stored {
  const stored = chosen.get(stage) ?? chooseStored(prepared, stage);
  chosen.set(stage, stored);
  return stored;
}

/**
 * Prefixes where all of them fit memory and disk; else spans where those do, or where rows share them: then they are
 * worth keeping as far as the room goes.
 */
function chooseStored({ base, loaded }: PreparedStudy, stage: PreparedStage): Stored {
  if (stage.kind === "domain") return notStored("its texts stand on the tag that it trains");
  const { spans, texts, uses } = storable(base, stage);
  const bytes = (positions: number) => positions * positionBytes(base);
  const [spanBytes, all] = [bytes(total(spans)), bytes(total(spans) + total(texts))];
  const room = (loaded.study.memory + loaded.study.disk) * 1e9;
  if (all === 0) return notStored("nothing stands before what it trains");
  if (all <= room) return { reuse: "prefix", bytes: all };
  if (spanBytes > 0 && (spanBytes <= room || uses >= WORTH * total(spans)))
    return { reuse: "spans", bytes: spanBytes };
  return notStored("memory and disk have no room for it");
}

/** How often an epoch reads a span that may have to be computed again. */
const WORTH = 2;

const total = (sizes: ReadonlyMap<string, number>): number => [...sizes.values()].reduce((n, s) => n + s, 0);

/** Positions of a stage's blocks by name, and how many positions of spans its prompts have. */
function storable({ architecture }: PreparedStudy["base"], { stage, tasks }: PreparedStage) {
  const trained = new Set(stage.train);
  const names = new BlockNames(architecture, vectorsByName());
  const [spans, texts] = [new Map<string, number>(), new Map<string, number>()];
  let uses = 0;
  const add = (layout: Layout, withProbe: boolean) => {
    layout.past.forEach(({ kind, positions }, b) => {
      const name = names.of(layout, b);
      (kind === "span" ? spans : texts).set(name, positions.length);
      if (kind === "span") uses += positions.length;
      // The linear probe is asked without the tag: its text ends a position earlier and is stored beside this one.
      const last = kind === "text" && positions.at(-1) === layout.query.cut - 1;
      if (last && withProbe) texts.set(`${name} probe`, positions.length - 1);
    });
  };
  for (const { rows, compiler, isolate, kind } of tasks) {
    for (const row of [...rows.train, ...rows.validation, ...rows.test]) {
      const prompt = compiler.compile(row, { withTarget: false });
      add(layOut(queryOf(prompt, isolate, trained), "prefix"), hasHead(kind));
    }
  }
  return { spans, texts, uses };
}

/** What stands for a tag's vectors where blocks are only told apart. */
function vectorsByName(): (tag: string) => Float32Array {
  const made = new Map<string, Float32Array>();
  return (tag) => {
    const vectors = made.get(tag) ?? Float32Array.from(tag, (c) => c.codePointAt(0) as number);
    made.set(tag, vectors);
    return vectors;
  };
}

/** The store of a study's runs: as much memory and disk as the study gives. */
export async function makeStore({ base, loaded: { study } }: PreparedStudy): Promise<BlockStore> {
  const files = study.disk > 0 ? await BlockFiles.open(base, { limit: study.disk * 1e9 }) : null;
  return new BlockStore(base, { memory: study.memory * 1e9, files });
}

export function makeRunner(
  { base, loaded: { study } }: PreparedStudy,
  vectorsOf: (tag: string) => Float32Array,
  store: BlockStore,
  options: Pick<RunnerOptions, "reuse" | "plain" | "signal" | "told">,
): Runner {
  return new Runner(base, vectorsOf, { ...options, tokens: study.tokensPerRun, fixedShapes: true }, store);
}
