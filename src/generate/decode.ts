/**
 * Writes texts: prompts enter free lanes, every step takes each of them a token further, those that have finished
 * make room for those that wait. Knows tokens and nothing of text.
 */
import type { Layout, Query } from "../batch/layout.ts";
import type { Runner } from "../batch/runner.ts";
import { partRows, roundLength, roundPast } from "../batch/sizes.ts";
import { Lanes, type NextToken, type Token } from "./lanes.ts";
import type { Continuation, Writer } from "./writer.ts";

export interface Text {
  readonly query: Query;
  readonly writer: Writer;
}

interface Waiting {
  readonly index: number;
  readonly layout: Layout;
  readonly writer: Writer;
}

/** A text that is in a lane. */
interface Active extends Waiting {
  lane: number;
  tips: readonly Token[];
  next: readonly NextToken[];
}

/**
 * Yields, after every run of the engine, which texts (by index) have gone on or finished: their writers tell. A
 * writer may be ended from outside in between.
 *
 * With the runner's `fixedShapes` a text runs in shapes that depend on it alone, so it is the same to the last bit
 * whatever is written beside it; texts of one shape then begin together, and free lanes stay empty.
 * @param lanes texts that are written at the same time; a power of two
 */
export async function* decode(
  runner: Runner,
  texts: readonly Text[],
  lanes: number,
): AsyncGenerator<readonly number[]> {
  const layouts = runner.layouts(texts.map(({ query }) => query));
  const all = texts.map(({ writer }, i): Waiting => ({ index: i, writer, layout: layouts[i] as Layout }));
  if (!runner.options.fixedShapes) {
    const count = Math.min(lanes, 2 ** Math.ceil(Math.log2(texts.length)));
    if (all.length) yield* decodeTogether(runner, all, count);
    return;
  }
  for (const group of byShape(all)) {
    for (let at = 0; at < group.length; at += lanes)
      yield* decodeTogether(runner, group.slice(at, at + lanes), lanes);
  }
}

/** Texts of exactly one shape each. */
function byShape(texts: readonly Waiting[]): Waiting[][] {
  const groups = new Map<string, Waiting[]>();
  for (const text of texts) {
    const { past, fresh } = text.layout;
    const shape = [roundLength(fresh.length), ...past.map((b) => roundPast(b.positions.length))].join();
    const group = groups.get(shape);
    if (group) group.push(text);
    else groups.set(shape, [text]);
  }
  return [...groups.values()];
}

async function* decodeTogether(
  runner: Runner,
  texts: readonly Waiting[],
  count: number,
): AsyncGenerator<readonly number[]> {
  const lanes = new Lanes(runner, {
    count,
    tips: texts.reduce((most, { writer }) => Math.max(most, writer.tips), 1),
    blocks: texts.reduce((most, { layout }) => Math.max(most, layout.past.length), 0),
  });
  const waiting = [...texts];
  let active: Active[] = [];
  try {
    while (waiting.length || active.length) {
      const free = [...Array(lanes.count).keys()].filter((lane) => !active.some((a) => a.lane === lane));
      const entering = waiting
        .splice(0, free.length)
        .map((text, i): Active => ({ ...text, lane: free[i] as number, tips: [], next: [] }));
      const moved = entering.length ? entering : active;
      if (entering.length) {
        const logits = await lanes.enter(entering);
        for (const [i, a] of entering.entries()) advance(a, [logits[i] as Float32Array]);
        active = [...active, ...entering];
      } else {
        const steps = await lanes.step(active);
        steps.forEach(({ tokens, logits }, i) => {
          const a = active[i] as Active;
          a.tips = tokens;
          advance(a, logits);
        });
      }
      yield moved.map(({ index }) => index);
      for (const { lane, writer } of active) if (writer.finish) lanes.leave(lane);
      active = active.filter(({ writer }) => !writer.finish);
      if (!runner.options.fixedShapes && waiting.length === 0 && active.length)
        await closeRanks(lanes, active);
    }
  } finally {
    await lanes.close();
  }
}

function advance(active: Active, logits: readonly Float32Array[]): void {
  const { tips, writer } = active;
  active.next = writer
    .advance(logits)
    .map(({ tip, id }: Continuation) => ({ id, before: tips[tip] ?? null }));
}

/** Few texts among many lanes move to a program with fewer. */
async function closeRanks(lanes: Lanes, active: readonly Active[]): Promise<void> {
  const size = partRows(active.length, lanes.count);
  if (size === lanes.count) return;
  await lanes.rearrange(Array.from({ length: size }, (_, i) => active[i]?.lane ?? null));
  active.forEach((a, lane) => {
    a.lane = lane;
  });
}
