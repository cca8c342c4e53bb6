/** With fixed shapes, what is stored does not depend on what else was stored with it, to the last bit. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Query } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import { Base } from "../../src/models/base.ts";
import { bindTemplate } from "../../src/prompts/bind.ts";
import { compilePrompt } from "../../src/prompts/prompt.ts";
import { parseTemplate } from "../../src/prompts/template.ts";
import { readout } from "../../src/train/tasks.ts";
import { polyglotFolder } from "../support/goldens.ts";
import { Random } from "../support/random.ts";

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

for (const options of [{ reuse: "none" }, { reuse: "spans", sharedOnly: true }, { reuse: "prefix" }] as const)
  test(`in 8-bit integers a row has the bits of the row alone, ${options.reuse} stored`, async () => {
    const rounded = await Base.load(polyglotFolder, { precision: "int8" });
    try {
      const width = rounded.architecture.hiddenSize;
      const vectors = Float32Array.from({ length: 3 * width }, (_, i) => Math.sin(i) / 20);
      const runner = new Runner(rounded, () => vectors, { ...options, tokens: 256 });
      const all = [...queries(12), ...pairs(3, 7, ", then")];
      const together = await runner.hidden(all, readout);
      for (const [i, query] of all.entries()) {
        await runner.clear();
        const alone = await runner.hidden([query], readout);
        assert.equal(differing(alone, together.subarray(i * width, (i + 1) * width)), 0, `row ${i}`);
      }
    } finally {
      await rounded.close();
    }
  });
