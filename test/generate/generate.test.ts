/** Text from prompts on the base that ships: every way of writing gives what the slow way gives. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KeyCache } from "../../src/batch/key-cache.ts";
import { layOut, type Query } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import { BlockStore } from "../../src/batch/store.ts";
import { TagllmError } from "../../src/errors.ts";
import { decode } from "../../src/generate/decode.ts";
import {
  type Generated,
  type GenerateOptions,
  generate,
  generateStream,
} from "../../src/generate/generate.ts";
import { type GeneratePrompt, queriesOf } from "../../src/generate/prompts.ts";
import { chooser, largest } from "../../src/generate/sampling.ts";
import { SingleWriter, type Writer } from "../../src/generate/writer.ts";
import { Base } from "../../src/models/base.ts";
import type { Tag } from "../../src/tags/tag.ts";
import { polyglotFolder } from "../support/goldens.ts";
import { Random } from "../support/random.ts";
import { relativeError } from "../support/tensors.ts";

let base: Base;
let tags: Map<string, Tag>;
before(async () => {
  base = await Base.load(polyglotFolder, { threads: 1 });
  tags = new Map(
    [tagOf("EN", "domain", 3), tagOf("FR", "domain", 5), tagOf("Translate", "function", 4)].map((tag) => [
      tag.name,
      tag,
    ]),
  );
});
after(() => base.close());

/** A tag of rows of the embedding table, somewhat disturbed: the base goes on from it with confidence. */
function tagOf(name: string, kind: "domain" | "function", length: number): Tag {
  const width = base.architecture.hiddenSize;
  const random = new Random(length);
  return {
    name,
    kind,
    vectors: Float32Array.from({ length: length * width }, () => 0.05 * random.normal()),
    length,
    width,
    head: null,
    splitCharacters: false,
    isolate: true,
    bos: true,
    scaling: null,
    template: kind === "function" ? "<EN> {text} means <FR> {fr} <Translate>" : null,
    outputs: kind === "function" ? ["answer"] : [],
    usesTags: [],
    base: base.fingerprint,
    provenance: {},
  };
}

/** Different tags, lengths and numbers of spans. */
function mixedPrompts(): GeneratePrompt[] {
  const texts = [
    "the light of the world",
    "in the beginning",
    "who goes there in the dark of the night, my friend?",
  ];
  return [
    "And God said, Let there be",
    { template: "<EN> {text} means <Translate>", fields: { text: texts[0] as string } },
    {
      template: "<EN> {text} and <FR> {fr} are <Translate>",
      fields: { text: texts[1] as string, fr: "la nuit" },
    },
    "Et Dieu dit: Que la lumière soit; et",
    { template: "<FR> {fr}", fields: { fr: "le roi de" } },
    { template: "<EN> {text} means <Translate>", fields: { text: texts[2] as string } },
    "CC(=O)O",
  ];
}

/** Takes the likeliest tokens and remembers what they were chosen from. */
class Witness implements Writer {
  readonly seen: Float32Array[] = [];
  private readonly inner: SingleWriter;
  readonly tips = 1;

  constructor({ prompt }: Query, count: number) {
    const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
    this.inner = new SingleWriter(prompt.ids, chooser(greedy, 0), {
      maxTokens: count,
      eos: new Set(),
      room: count,
    });
  }

  get ids(): readonly number[] {
    return this.inner.ids;
  }

  get finish() {
    return this.inner.finish;
  }

  advance(logits: readonly Float32Array[]) {
    this.seen.push(...logits.map((x) => x.slice()));
    return this.inner.advance(logits);
  }
}

const vectorsOf = (name: string): Float32Array => (tags.get(name) as Tag).vectors;

async function witness(queries: readonly Query[], count: number, lanes: number, fixedShapes = false) {
  const runner = new Runner(base, vectorsOf, { reuse: "spans", tokens: 256, fixedShapes });
  const texts = queries.map((query) => ({ query, writer: new Witness(query, count) }));
  for await (const _ of decode(runner, texts, lanes));
  await runner.clear();
  return texts.map(({ writer }) => writer);
}

/** The logits that greedy tokens come from, each by a plain pass over the whole text so far. */
async function slowly({ prompt, ...query }: Query, count: number): Promise<Float32Array[]> {
  const runner = new Runner(base, vectorsOf, { reuse: "none", tokens: 256, plain: true });
  const seen: Float32Array[] = [];
  let { ids } = prompt;
  for (let n = 0; n < count; n++) {
    const cache = new KeyCache(base, 1);
    await cache.arrange([null], [256]);
    const [logits] = await runner.begin(
      [layOut({ ...query, prompt: { ...prompt, ids } }, "none")],
      cache,
      [0],
    );
    await cache.close();
    seen.push(logits as Float32Array);
    ids = Int32Array.of(...ids, largest(logits as Float32Array));
  }
  return seen;
}

function margin(logits: Float32Array): number {
  const [best, second] = [...logits].sort((a, b) => b - a) as [number, number];
  return best - second;
}

const all = (prompts: readonly GeneratePrompt[], options: GenerateOptions = {}): Promise<Generated[]> =>
  generate(base, prompts, { tags, maxTokens: 24, ...options });

test("tokens written side by side are those of whole passes, wherever the best is clear", async (t) => {
  const queries = queriesOf(base, mixedPrompts(), tags);
  const found = await witness(queries, 12, 4);
  let [compared, worst] = [0, 0];
  for (const [i, query] of queries.entries()) {
    const slow = await slowly(query, 12);
    for (const [n, logits] of slow.entries()) {
      const own = found[i]?.seen[n] as Float32Array;
      worst = Math.max(worst, relativeError(own, logits));
      if (margin(logits) < 1e-2) break;
      assert.equal(found[i]?.ids[n], largest(logits), `prompt ${i}, token ${n}`);
      compared++;
    }
  }
  assert.ok(compared > 60, `${compared} tokens compared`);
  assert.ok(worst < 1e-5, String(worst));
  t.diagnostic(`${compared} tokens, largest difference of logits ${worst.toExponential(1)}`);
});

test("with fixed shapes a text is the same to the last bit whatever is written beside it", async () => {
  const queries = queriesOf(base, mixedPrompts(), tags);
  const together = await witness(queries, 20, 4, true);
  for (const [i, query] of queries.entries()) {
    const [alone] = await witness([query], 20, 4, true);
    alone?.seen.forEach((logits, n) => {
      const other = together[i]?.seen[n] as Float32Array;
      const differing = logits.filter((x, k) => !Object.is(x, other[k])).length;
      assert.equal(differing, 0, `prompt ${i}, token ${n}`);
    });
  }
});

test("with fixed shapes and no store a text's likelihood is the same beside others with its span", async () => {
  const about = (text: string, words: string) => ({
    template: `<EN> {text} ${words} <Translate>`,
    fields: { text },
  });
  const texts = ["the light of the world", "who goes there in the dark of the night, my friend? ".repeat(8)];
  const prompts = texts.flatMap((text) => [
    about(text, "means"),
    about(text, "says to all of them"),
    about(text, "is"),
  ]);
  const options = { fixedShapes: true, lanes: 4, beams: 2, maxTokens: 1, eos: [] };
  const together = await all(prompts, options);
  for (const [i, prompt] of prompts.entries()) assert.deepEqual(await all([prompt], options), [together[i]]);
});

test("what is drawn depends on a row's own seed and on nothing beside it", async () => {
  const prompts = mixedPrompts();
  const drawn = { temperature: 1, topP: 0.9, fixedShapes: true, lanes: 4, eos: [] };
  const together = await all(prompts, { ...drawn, seed: 7 });
  for (const [i, prompt] of prompts.entries()) {
    const [alone] = await all([prompt], { ...drawn, seed: 7 + i });
    assert.deepEqual(alone?.ids, together[i]?.ids);
  }
  const again = await all(prompts, { ...drawn, seed: 7 });
  assert.deepEqual(again, together);
  const other = await all(prompts, { ...drawn, seed: 8 });
  assert.notDeepEqual(other[0]?.ids, together[0]?.ids);
  const twice = await all([prompts[0] as GeneratePrompt, prompts[0] as GeneratePrompt], drawn);
  assert.notDeepEqual(twice[0]?.ids, twice[1]?.ids);
});

test("beams find likelier texts, and score them as one pass over the whole does", async () => {
  const prompts = mixedPrompts();
  const settings = { maxTokens: 10, eos: [] };
  const greedy = await all(prompts, settings);
  const searched = await all(prompts, { ...settings, beams: 4, lengthPenalty: 0 });
  const queries = queriesOf(base, prompts, tags);
  const likelihood = async (query: Query, ids: readonly number[]): Promise<number> => {
    const { prompt } = query;
    const runner = new Runner(base, vectorsOf, { reuse: "none", tokens: 256 });
    const labels = ids.map((id, n) => ({ position: prompt.ids.length + n, id }));
    const whole = { ...query, prompt: { ...prompt, ids: Int32Array.of(...prompt.ids, ...ids) } };
    const [nll] = await runner.nll([whole], [labels]);
    return -(nll as Float32Array).reduce((a, b) => a + b, 0);
  };
  let better = 0;
  for (const [i, query] of queries.entries()) {
    const [own, other] = [searched[i] as Generated, greedy[i] as Generated];
    const score = await likelihood(query, own.ids);
    assert.ok(Math.abs(score - (own.score as number)) < 1e-3, `${score} for ${own.score}`);
    const simple = await likelihood(query, other.ids);
    if (score > simple + 1e-4) better++;
  }
  assert.ok(better >= 3, `${better} of ${prompts.length} are likelier`);
});

test("pieces together are the text; stop strings and what follows are in none", async () => {
  const prompts = mixedPrompts();
  const whole = await all(prompts);
  // Something from the middle of what the first text says, cut across tokens where it happens to be.
  const stop = (whole[0] as Generated).text.slice(9, 13);
  const pieces = prompts.map(() => "");
  const ended: string[] = [];
  for await (const event of generateStream(base, prompts, { tags, maxTokens: 24, stop: [stop] })) {
    if (event.kind === "text") pieces[event.row] += event.text;
    else {
      assert.equal(event.result.text, pieces[event.row]);
      ended[event.row] = event.result.finish;
    }
  }
  whole.forEach(({ text }, i) => {
    const at = text.indexOf(stop);
    assert.equal(pieces[i], at < 0 ? text : text.slice(0, at));
    assert.equal(ended[i] === "stop", at >= 0);
  });
  assert.equal(ended[0], "stop");
  const searched = await all(prompts.slice(0, 1), { beams: 3, stop: [stop.slice(0, 1)] });
  assert.ok(!(searched[0] as Generated).text.includes(stop.slice(0, 1)));
});

test("end tokens, limits and the base's last position end a text, each as itself", async () => {
  const [free] = await all(["And God said"], { eos: [], maxTokens: 12 });
  const fourth = free?.ids[3] as number;
  const [cut] = await all(["And God said"], { eos: [fourth], maxTokens: 12 });
  assert.deepEqual([cut?.finish, cut?.ids], ["eos", free?.ids.slice(0, free.ids.indexOf(fourth))]);
  assert.equal(free?.finish, "length");
  const { maxPositions } = base.architecture;
  const long = "and ".repeat(2 * maxPositions);
  const [full] = await all([{ template: "{text}", fields: { text: long } }], { eos: [] });
  assert.deepEqual([full?.finish, full?.ids.length], ["context", 1]);
  assert.ok((full?.trimmed[0]?.tokens ?? 0) > 0);
});

test("a prompt of a tag is no longer than those of its training", async () => {
  const prompt = { template: "<EN> {text} means <Translate>", fields: { text: "and ".repeat(50) } };
  const cutTo = async (maxTokens: number) => {
    const asked = { ...(tags.get("Translate") as Tag), maxTokens };
    const own = new Map([...tags, ["Translate", asked]]);
    const [{ trimmed }] = (await all([prompt], { tags: own, maxTokens: 1 })) as [Generated];
    return trimmed[0]?.tokens ?? 0;
  };
  assert.equal(await cutTo(500), 0);
  assert.equal((await cutTo(40)) - (await cutTo(41)), 1);
});

test("more rows than lanes, and rows that end early, change no text", async () => {
  const prompts = [...mixedPrompts(), ...mixedPrompts().reverse()];
  const wide = await all(prompts, { lanes: 16 });
  const narrow = await all(prompts, { lanes: 2 });
  assert.deepEqual(
    narrow.map(({ text }) => text),
    wide.map(({ text }) => text),
  );
});

test("stored spans serve the next call, and are not run again", async () => {
  const prompts = mixedPrompts();
  const store = new BlockStore(base);
  const first = await all(prompts, { store });
  const { residents } = await base.engine.stats();
  assert.ok(residents > 0, "spans are kept");
  assert.deepEqual(await all(prompts, { store }), first);
  assert.equal((await base.engine.stats()).residents, residents);
  await all([...prompts, ...prompts]); // shares the spans of a call of its own, and forgets them
  assert.equal((await base.engine.stats()).residents, residents);
  assert.deepEqual(await all(prompts, { store }), first);
  const overlapping = await Promise.all([all(prompts, { store }), all(prompts, { store })]);
  assert.deepEqual(overlapping, [first, first]);
  await store.clear();
  assert.equal((await base.engine.stats()).residents, 0, "nothing else is left behind");
});

test("a store of another base is refused", async () => {
  const store = new BlockStore({ ...base, name: "other" } as unknown as Base);
  await assert.rejects(all(mixedPrompts(), { store }), { code: "store/base", message: /other/ });
});

test("who leaves the loop or aborts ends the writing, and nothing stays behind", async () => {
  for await (const _ of generateStream(base, mixedPrompts(), { tags })) break;
  assert.equal((await base.engine.stats()).residents, 0);
  const stop = new AbortController();
  let text = "";
  const aborted = (async () => {
    const stream = generateStream(base, ["And God said"], { eos: [], maxTokens: 500, signal: stop.signal });
    for await (const event of stream) {
      if (event.kind === "text") text += event.text;
      if (text.length > 20) stop.abort();
    }
  })();
  await assert.rejects(aborted, (e) => e instanceof TagllmError && e.code === "aborted");
  assert.ok(text.length > 20 && text.length < 60, text);
  assert.equal((await base.engine.stats()).residents, 0);
});

test("settings that cannot be are refused by name", async () => {
  for (const [options, name] of [
    [{ temperature: -1 }, "temperature"],
    [{ temperature: Number.NaN }, "temperature"],
    [{ temperature: 1, topP: 1.5 }, "top-p"],
    [{ temperature: 1, topP: 0 }, "top-p"],
    [{ temperature: 1, minP: -0.1 }, "min-p"],
    [{ temperature: 1, topK: 2.5 }, "top-k"],
    [{ topK: 5 }, "top-k"],
    [{ repetitionPenalty: 0 }, "repetition-penalty"],
    [{ maxTokens: 0 }, "max-tokens"],
    [{ beams: 0 }, "beams"],
    [{ beams: 2, temperature: 1 }, "Beam search"],
    [{ lengthPenalty: 2 }, "length-penalty"],
    [{ stop: [""] }, "stop string"],
    [{ eos: [4096] }, "end token"],
    [{ seed: 1.5 }, "seed"],
  ] as [GenerateOptions, string][]) {
    await assert.rejects(
      generate(base, ["a"], options),
      (e) => e instanceof TagllmError && e.code === "generate/setting" && e.message.includes(name),
      JSON.stringify(options),
    );
  }
});

test("a tag that answers in numbers is refused, and a fault says which prompt has it", async () => {
  const number = { ...(tags.get("Translate") as Tag), name: "Number" };
  number.head = { weight: new Float32Array(number.width), bias: null, outputs: 1 };
  const own = new Map([...tags, ["Number", number]]);
  await assert.rejects(generate(base, [{ template: "a <Number>" }], { tags: own }), {
    code: "generate/answer",
  });
  await assert.rejects(
    generate(base, ["fine", { template: "{text}" }], {}),
    (e) =>
      e instanceof TagllmError && e.code === "prompts/unknown-field" && e.message.startsWith("Prompt 2: "),
  );
});

test("no rows give no results, and nothing in the text of a prompt is a tag", async () => {
  assert.deepEqual(await generate(base, []), []);
  const [result] = await generate(base, ["<EN> {x} \\"], { maxTokens: 2 });
  assert.equal(result?.ids.length, 2);
});

test("a stop string that only the end completes is why the text ended", async () => {
  const drawn = { maxTokens: 1, temperature: 100, seed: 0 };
  const prompts = Array.from({ length: 256 }, () => "And God said");
  const plain = await generate(base, prompts, drawn);
  const stopped = await generate(base, prompts, { ...drawn, stop: ["\ufffd"] });
  const cut = plain.flatMap(({ text }, i) => (text === "\ufffd" ? [i] : [])); // a part of a character
  assert.ok(cut.length > 0);
  for (const i of cut) {
    assert.equal(plain[i]?.finish, "length");
    assert.deepEqual([stopped[i]?.text, stopped[i]?.finish], ["", "stop"]);
  }
});
