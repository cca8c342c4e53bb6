/** With fixed shapes, what is stored does not depend on what else was stored with it, to the last bit. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PROMPT, pairQueries } from "../../bench/pairs.ts";
import type { Label } from "../../src/batch/labels.ts";
import type { Query } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import { Engine } from "../../src/engine/engine.ts";
import { Base } from "../../src/models/base.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { bindTemplate } from "../../src/prompts/bind.ts";
import { compilePrompt } from "../../src/prompts/prompt.ts";
import { parseTemplate } from "../../src/prompts/template.ts";
import { readout } from "../../src/train/tasks.ts";
import { bareBase } from "../support/bare-base.ts";
import { polyglotFolder } from "../support/goldens.ts";
import { Random } from "../support/random.ts";
import { tinyLlama, uploadRandomWeights } from "../support/tiny-llama.ts";

let base: Base;
before(async () => {
  base = await Base.load(polyglotFolder);
});
after(() => base.close());

const tagSpec = (name: string, kind: "domain" | "function") => ({
  name,
  kind,
  length: 3,
  splitCharacters: false,
  isolate: true,
});

function queries(count: number): Query[] {
  const random = new Random(5);
  const bound = bindTemplate(parseTemplate("The molecule <SMILES> {smiles} has <Value>"), {
    tags: new Map([
      ["SMILES", tagSpec("SMILES", "domain")],
      ["Value", tagSpec("Value", "function")],
    ]),
    fields: ["smiles"],
  });
  return Array.from({ length: count }, () => {
    const smiles = Array.from(
      { length: random.int(3, 62) },
      () => "CNO(=)c1"[random.int(0, 7)] as string,
    ).join("");
    const prompt = compilePrompt(
      bound,
      { smiles },
      { tokenizer: base.tokenizer, maxTokens: 256, bos: true, withTarget: false, eosAfterTarget: false },
    );
    return { prompt, isolate: true, cut: (prompt.readout as number) - 2 };
  });
}

/** Every sequence with every molecule: text of `after` tokens or so behind them. */
function pairs(sequences: number, molecules: number, after: string): Query[] {
  const random = new Random(7);
  const bound = bindTemplate(parseTemplate(`Of <Protein> {sequence} and <SMILES> {smiles}${after} <Value>`), {
    tags: new Map([
      ["Protein", tagSpec("Protein", "domain")],
      ["SMILES", tagSpec("SMILES", "domain")],
      ["Value", tagSpec("Value", "function")],
    ]),
    fields: ["sequence", "smiles"],
  });
  const word = (letters: string, least: number, most: number) =>
    Array.from({ length: random.int(least, most) }, () => letters[random.int(0, letters.length - 1)]).join(
      "",
    );
  const all = Array.from({ length: sequences }, () => word("MKVLAEGS", 40, 150));
  const others = Array.from({ length: molecules }, () => word("CNO(=)c1", 3, 62));
  const fields = all.flatMap((sequence) => others.map((smiles) => ({ sequence, smiles })));
  return fields.map((row) => {
    const prompt = compilePrompt(bound, row, {
      tokenizer: base.tokenizer,
      maxTokens: 400,
      bos: true,
      withTarget: false,
      eosAfterTarget: false,
    });
    return { prompt, isolate: true, cut: (prompt.readout as number) - 2 };
  });
}

async function statesAfter(
  order: readonly number[],
  parts: number,
  fixedShapes: boolean,
  all: readonly Query[] = queries(40),
) {
  const width = base.architecture.hiddenSize;
  const vectors = Float32Array.from({ length: 3 * width }, (_, i) => Math.sin(i) / 20);
  const runner = new Runner(base, () => vectors, { reuse: "prefix", tokens: 512, fixedShapes });
  try {
    const size = Math.ceil(order.length / parts);
    for (let at = 0; at < order.length; at += size) {
      await runner.hidden(
        order.slice(at, at + size).map((i) => all[i] as Query),
        readout,
      );
    }
    return await runner.hidden(all, readout);
  } finally {
    await runner.clear();
  }
}

const differing = (a: Float32Array, b: Float32Array) => a.filter((x, i) => !Object.is(x, b[i])).length;

test("the order and the company in which blocks are computed change no bit", async (t) => {
  const forward = Array.from({ length: 40 }, (_, i) => i);
  const once = await statesAfter(forward, 1, true);
  for (const [order, parts] of [
    [forward.toReversed(), 1],
    [forward, 7],
    [forward.filter((i) => i % 3 === 0), 2],
  ] as const) {
    assert.equal(differing(await statesAfter(order, parts, true), once), 0, `${order.length} in ${parts}`);
  }
  const fitted = await statesAfter(forward, 7, false);
  const largest = Math.max(...fitted.map((x, i) => Math.abs(x - (once[i] as number))));
  assert.ok(largest < 1e-4, `fitted shapes differ by ${largest}`);
  t.diagnostic(`${once.length} numbers, 0 differ; with fitted shapes the largest difference is ${largest}`);
});

for (const after of ["", ", then"])
  test(`pairs${after}: a block that is shared with the others of a run has the bits of one that is not`, async () => {
    const all = pairs(4, 12, after);
    const forward = all.map((_, i) => i);
    const random = new Random(3);
    const keys = forward.map(() => random.int(0, 1_000_000));
    const mixed = forward.toSorted((a, b) => (keys[a] as number) - (keys[b] as number));
    const once = await statesAfter(forward, 1, true, all);
    for (const [order, parts] of [
      [mixed, 1],
      [mixed, 9],
      [mixed, all.length],
    ] as const)
      assert.equal(differing(await statesAfter(order, parts, true, all), once), 0, `in ${parts}`);
  });

/** Every query by itself, from an empty store. */
async function eachAlone(
  runner: Runner,
  all: readonly Query[],
  read: (queries: readonly Query[]) => Promise<Float32Array>,
): Promise<Float32Array> {
  const alone: number[] = [];
  for (const query of all) {
    await runner.clear();
    alone.push(...(await read([query])));
  }
  return Float32Array.from(alone);
}

const ways = [{ reuse: "none" }, { reuse: "spans", sharedOnly: true }, { reuse: "prefix" }] as const;
type Way = (typeof ways)[number];

interface Readings {
  states(some: readonly Query[]): Promise<Float32Array>;
  losses(some: readonly Query[]): Promise<Float32Array>;
}

/** Queries with spans, and what is read of some of them on a base. */
function mixedQueries(): {
  all: Query[];
  readingsOn: (base: Base, options: Way) => Readings & { runner: Runner };
} {
  const all = [...queries(12), ...pairs(3, 7, ", then")];
  const labels = new Map(all.map((query, i) => [query, lastLabels(query, [1, 4, 30][i % 3] as number)]));
  const readingsOn = (base: Base, options: Way) => {
    const vectors = Float32Array.from(
      { length: 3 * base.architecture.hiddenSize },
      (_, i) => Math.sin(i) / 20,
    );
    const runner = new Runner(base, () => vectors, { ...options, tokens: 256 });
    return {
      runner,
      states: (some: readonly Query[]) => runner.hidden(some, readout),
      losses: async (some: readonly Query[]) => {
        const own = some.map((query) => labels.get(query) as Label[]);
        return Float32Array.from((await runner.nll(some, own)).flatMap((nats) => [...nats]));
      },
    };
  };
  return { all, readingsOn };
}

test("int8 reads what f32 reads, to the bit, whatever is stored", async (t) => {
  const rounded = await Base.load(polyglotFolder, { precision: "int8" });
  t.after(() => rounded.close());
  const { all, readingsOn } = mixedQueries();
  for (const options of ways) {
    const [int8, f32] = [readingsOn(rounded, options), readingsOn(base, options)];
    assert.deepEqual(await int8.states(all), await f32.states(all), options.reuse);
    if (options.reuse === "prefix") continue; // ends behind most of the labels
    assert.deepEqual(await int8.losses(all), await f32.losses(all), options.reuse);
  }
});

describe("with weights in few bits a query gives what it gives by itself, to the bit", () => {
  test("states and losses, whatever is stored", async (t) => {
    const rounded = await Base.load(polyglotFolder, { precision: "4bit" });
    t.after(() => rounded.close());
    const { all, readingsOn } = mixedQueries();
    for (const options of ways) {
      const { runner, states, losses } = readingsOn(rounded, options);
      assert.equal(differing(await states(all), await eachAlone(runner, all, states)), 0, options.reuse);
      if (options.reuse === "prefix") continue; // ends behind most of the labels
      assert.equal(
        differing(await losses(all), await eachAlone(runner, all, losses)),
        0,
        `nll, ${options.reuse}`,
      );
    }
  });

  test("a head of keys for each head of queries", async (t) => {
    const config = {
      ...tinyLlama,
      hidden_size: 64,
      head_dim: 16,
      num_key_value_heads: 4,
      intermediate_size: 64,
      max_position_embeddings: 512,
    };
    const engine = await Engine.start({ threads: 2, precision: "8bit" });
    t.after(() => engine.close());
    const architecture = readArchitecture(config);
    await uploadRandomWeights(engine, architecture, 3);
    const lengths = { proteins: [300, 310], molecules: [24, 25, 26, 27, 28, 29, 30], threads: 2 };
    const random = new Random(4);
    const all = pairQueries({ config, ...lengths }, () => random.float(0, 1), architecture.vocabSize);
    const vectors = random.floats(PROMPT.vectors * architecture.hiddenSize);
    const runner = new Runner(bareBase(architecture, engine), () => vectors, { ...ways[1], tokens: 256 });
    const states = (some: readonly Query[]) => runner.hidden(some, readout);
    assert.equal(differing(await states(all), await eachAlone(runner, all, states)), 0);
  });
});

/** The last `count` tokens of a prompt that follow a position which no span holds. */
function lastLabels({ prompt }: Query, count: number): Label[] {
  const inSpan = (position: number) =>
    prompt.spans.some(({ start, end }) => position >= start && position < end);
  return [...prompt.ids.keys()]
    .filter((p) => p > 0 && (prompt.ids[p] as number) >= 0 && !inSpan(p - 1))
    .slice(-count)
    .map((position) => ({ position, id: prompt.ids[position] as number }));
}
