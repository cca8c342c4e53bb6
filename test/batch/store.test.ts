/** Whatever memory and disk the store has, the numbers are those of a store that holds everything. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import { BlockFiles } from "../../src/batch/block-files.ts";
import type { Query } from "../../src/batch/layout.ts";
import { Runner, type RunnerProgress } from "../../src/batch/runner.ts";
import { BlockStore, positionBytes, type StoreOptions } from "../../src/batch/store.ts";
import { cacheHome } from "../../src/engine/cache-folder.ts";
import type { Base } from "../../src/models/base.ts";
import type { Span } from "../../src/prompts/prompt.ts";
import { readout } from "../../src/train/tasks.ts";
import { Random } from "../support/random.ts";
import { randomQuery, randomVectors } from "../support/random-prompts.ts";
import { relativeError } from "../support/tensors.ts";
import { startTinyBase, tinyLlama } from "../support/tiny-llama.ts";

let [base, home] = [null as unknown as Base, ""];
/** Positions of blocks that were computed. */
let computed = 0;
before(async () => {
  const tiny = await startTinyBase(4);
  const run: Base["run"] = (spec, ...rest) => {
    if (spec.result.kind === "keys") computed++;
    return tiny.run(spec, ...rest);
  };
  base = { ...tiny, run, name: "tiny", files: [], fingerprint: { id: "tiny" } } as unknown as Base;
});
after(() => base.close());
beforeEach(async (t) => {
  home = await mkdtemp(join(tmpdir(), "tagllm-store-"));
  const folder = home;
  (t as { after?: (work: () => Promise<void>) => void }).after?.(() => rm(folder, { recursive: true }));
  computed = 0;
});

const random = new Random(8);
const queries = Array.from({ length: 24 }, () => randomQuery(random, 16, true, true));
const vectors = randomVectors(new Random(2), tinyLlama.hidden_size);
const few = 40;

async function hidden(store: StoreOptions, of: readonly Query[] = queries): Promise<Float32Array> {
  const options = { reuse: "prefix", tokens: 32, fixedShapes: true } as const;
  const own = new BlockStore(base, store);
  const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, options, own);
  const found = await runner.hidden(of, readout);
  assert.ok(Number.isFinite(found[0]));
  await runner.clear();
  assert.equal((await base.engine.stats()).residents, 0);
  return found;
}

const files = (limit = 1e9) => BlockFiles.open(base, { limit, home });
async function blockPaths(): Promise<string[]> {
  const entries = await readdir(home, { recursive: true });
  return entries.filter((path) => path.endsWith(".kv")).map((path) => join(home, path));
}

test("little memory: blocks are computed again, and there are never many", async () => {
  const expected = await hidden({});
  const once = computed;
  let most = 0;
  const spied = base.engine.release.bind(base.engine);
  base.engine.release = async (names) => {
    most = Math.max(most, (await base.engine.stats()).residentBytes);
    return spied(names);
  };
  const memory = few * positionBytes(base);
  try {
    assert.deepEqual(await hidden({ memory }), expected);
  } finally {
    base.engine.release = spied;
  }
  assert.ok(computed > 2 * once, `${computed} runs, ${once} with all the memory`);
  assert.ok(most > 0 && most < 3 * memory, `${most} bytes of ${memory}`);
});

test("a runner tells how much of what was missing is stored, then how much is read", async () => {
  const told: RunnerProgress[] = [];
  const options = {
    reuse: "prefix",
    tokens: 32,
    told: (progress: RunnerProgress) => told.push(progress),
  } as const;
  const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, options, new BlockStore(base));
  await runner.hidden(queries, readout);
  const all = (await base.engine.stats()).residentBytes / positionBytes(base);
  for (const [kind, of] of [
    ["storing", all],
    ["reading", queries.length],
  ] as const) {
    const own = told.filter((progress) => progress.kind === kind);
    assert.ok(own.length > 1 && own.every(({ done }, i) => done > (own[i - 1]?.done ?? 0)), kind);
    assert.deepEqual(own.at(-1), { kind, done: of, of });
    assert.ok(own.every((progress) => progress.of === of));
  }
  told.length = 0;
  await runner.hidden(queries, readout);
  assert.ok(told.length > 0 && told.every(({ kind }) => kind === "reading"));
  await runner.clear();
});

test("stores of a base know nothing of each other", async () => {
  const expected = await hidden({});
  const options = { reuse: "prefix", tokens: 32, fixedShapes: true } as const;
  const runners = [0, 1].map(
    () => new Runner(base, (tag) => vectors.get(tag) as Float32Array, options, new BlockStore(base)),
  ) as [Runner, Runner];
  for (const runner of runners) await runner.hidden(queries, readout);
  await runners[1].clear();
  assert.deepEqual(await runners[0].hidden(queries, readout), expected);
  await runners[0].clear();
});

test("calls at the same time on one store with little memory wait for each other", async () => {
  const expected = await hidden({});
  const memory = few * positionBytes(base);
  const store = new BlockStore(base, { memory });
  const options = { reuse: "prefix", tokens: 32, fixedShapes: true } as const;
  const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, options, store);
  const found = await Promise.all([0, 1, 2].map(() => runner.hidden(queries, readout)));
  for (const one of found) assert.deepEqual(one, expected);
  assert.ok((await base.engine.stats()).residentBytes < 3 * memory);
  await store.clear();
  computed = 0;
  await runner.hidden(queries.slice(0, 1), readout);
  const once = computed;
  await runner.hidden(queries.slice(0, 1), readout);
  assert.equal(computed, once, "what fits the memory is kept after as before");
  await store.clear();
});

test("blocks are told apart by the shapes that they are computed in", async () => {
  const store = new BlockStore(base);
  const one = { reuse: "prefix", tokens: 32, fixedShapes: true } as const;
  const counts: number[] = [];
  for (const options of [one, { ...one, fixedShapes: false }, { ...one, tokens: 64 }, one]) {
    const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, options, store);
    computed = 0;
    await runner.hidden(queries, readout);
    counts.push(computed);
  }
  assert.ok(
    counts.slice(0, 3).every((n) => n > 0),
    String(counts),
  );
  assert.equal(counts[3], 0);
  await store.clear();
});

test("files serve a later store, which computes nothing", async () => {
  const expected = await hidden({});
  const memory = few * positionBytes(base);
  assert.deepEqual(await hidden({ memory, files: await files() }), expected);
  computed = 0;
  assert.deepEqual(await hidden({ memory, files: await files() }), expected);
  assert.deepEqual(await hidden({ files: await files() }), expected);
  assert.equal(computed, 0);
});

test("a file that is cut, changed or gone is computed again", async () => {
  const expected = await hidden({ files: await files() });
  const [cut, changed, gone] = (await blockPaths()) as [string, string, string];
  await truncate(cut, 10);
  const bytes = await readFile(changed);
  bytes[5] = (bytes[5] as number) ^ 1;
  await writeFile(changed, bytes);
  await rm(gone);
  computed = 0;
  assert.deepEqual(await hidden({ files: await files() }), expected);
  assert.ok(computed > 0);
  assert.notDeepEqual(await readFile(changed), bytes);
  computed = 0;
  assert.deepEqual(await hidden({ files: await files() }), expected);
  assert.equal(computed, 0);
});

test("the same text under another mask is another block", async () => {
  const inside = ({ isolate, start }: Span) => isolate && start > 0;
  const { prompt } = queries.find((q) => q.prompt.spans.some(inside)) as Query;
  const { end } = prompt.spans.find(inside) as Span;
  const within = (isolate: boolean): Query => ({ prompt, isolate, cut: end - 1 });
  const plain = { reuse: "none", tokens: 32, plain: true } as const;
  const vectorsOf = (tag: string) => vectors.get(tag) as Float32Array;
  for (const isolate of [true, false]) {
    const found = await hidden({ files: await files() }, [within(isolate)]);
    const expected = await new Runner(base, vectorsOf, plain).hidden([within(isolate)], readout);
    assert.ok(relativeError(found, expected) < 1e-5, `isolate ${isolate}`);
  }
});

test("the limit holds, and blocks in use push out those of earlier processes", async () => {
  const sizes = async () => Promise.all((await blockPaths()).map(async (path) => (await stat(path)).size));
  const total = async () => (await sizes()).reduce((sum, n) => sum + n, 0);
  await hidden({ files: await files() });
  const all = await total();
  const first = new Set(await blockPaths());
  const others = Array.from({ length: 24 }, () => randomQuery(random, 16, true, true));
  await hidden({ files: await files(all) }, others);
  assert.ok((await total()) <= all, `${await total()} of ${all}`);
  const left = (await blockPaths()).filter((path) => first.has(path));
  assert.ok(left.length < first.size);
  const full = await total();
  assert.ok(full <= all);
  await hidden({ files: await files(1) });
  assert.equal(await total(), full);
});

test("files that a cleared store has no use for go for those of the next seed", async () => {
  const own = await files();
  await hidden({ files: own });
  const sizes = await Promise.all((await blockPaths()).map(async (path) => (await stat(path)).size));
  const all = sizes.reduce((sum, n) => sum + n, 0);
  await rm(home, { recursive: true });
  const limited = await files(all);
  const first = await hidden({ files: limited });
  const before = new Set(await blockPaths());
  const others = Array.from({ length: 24 }, () => randomQuery(random, 16, true, true));
  await hidden({ files: limited }, others);
  const left = (await blockPaths()).filter((path) => before.has(path));
  assert.ok(left.length < before.size / 2, `${left.length} of ${before.size} are still there`);
  computed = 0;
  assert.deepEqual(await hidden({ files: limited }), first);
  assert.ok(computed > 0);
});

test("a file of another user, whose last use cannot be noted, is read all the same", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("only root can act as another user");
  await hidden({ files: await files() });
  await promisify(execFile)("chmod", ["-R", "a+rX", home]);
  const [path] = (await blockPaths()) as [string];
  const numbers = ((await stat(path)).size - 32) / 4;
  const module = new URL("../../src/engine/array-files.ts", import.meta.url).href;
  const asAnother = (then: string) => {
    const script = `import(${JSON.stringify(module)}).then(({ readArrays }) => ${then})`;
    const words = ["--import", import.meta.resolve("tsx"), "-e", script];
    const env = { ...process.env, HOME: home, TMPDIR: tmpdir() };
    return promisify(execFile)(process.execPath, words, { uid: 65534, gid: 65534, env });
  };
  const reached = await asAnother("console.log('here')").catch(() => null);
  if (!reached) return t.skip("another user may not read this checkout");
  const { stdout } = await asAnother(
    `console.log(readArrays(${JSON.stringify(path)}, 1, ${numbers})?.[0].length)`,
  );
  assert.equal(stdout.trim(), String(numbers));
});

test("other vectors, another base or place: other files; a folder that cannot be written is said", async () => {
  await hidden({ files: await files() });
  const before = (await blockPaths()).length;
  const kept = vectors.get("A") as Float32Array;
  vectors.set(
    "A",
    kept.map((x) => x + 1),
  );
  await hidden({ files: await files() });
  vectors.set("A", kept);
  const after = (await blockPaths()).length;
  assert.ok(after > before, `${after} files, ${before} before`);

  const config = join(home, "config.json");
  await writeFile(config, "{}");
  const other = { ...base, files: [config] } as unknown as Base;
  const [one, two] = [await files(), await BlockFiles.open(other, { limit: 1e9, home })];
  assert.notEqual(one.folder, two.folder);
  const trainedOn = { ...other, fingerprint: { id: "another" } } as unknown as Base;
  assert.notEqual((await BlockFiles.open(trainedOn, { limit: 1e9, home })).folder, two.folder);
  assert.equal(cacheHome("blocks", { TAGLLM_CACHE: "/x" }), join("/x", "blocks"));
  assert.equal(cacheHome("blocks", { XDG_CACHE_HOME: "/y" }), join("/y", "tagllm", "blocks"));

  await writeFile(config, '{ "rope_theta": 5 }');
  assert.notEqual((await BlockFiles.open(other, { limit: 1e9, home })).folder, two.folder);
  await rm(two.folder, { recursive: true });
  await writeFile(two.folder, "");
  await assert.rejects(hidden({ files: two }), { code: "cache/file", message: /ENOTDIR|EEXIST/ });
  await assert.rejects(BlockFiles.open(other, { limit: 1e9, home: join(two.folder, "inside") }), {
    code: "cache/file",
    message: /ENOTDIR/,
  });
});
