/** What goes wrong on the way: broken and slow connections, busy servers, files that change, answers that lie. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findBase, pullModel } from "../../src/hub/model.ts";
import type { HubEvent } from "../../src/hub/snapshot.ts";
import { type FakeHub, sendBroken, sendData } from "../support/hub.ts";
import { blobsOf, name, noise, smallModel, world } from "./folder.ts";

const size = 300_000;
const half = size / 2;
const weights = noise(size);

/** Lets `answer` take the first `times` requests for the weights' bytes. */
function first(
  hub: FakeHub,
  times: number,
  answer: (response: Parameters<FakeHub["interfere"]>[1]) => void,
): void {
  let left = times;
  hub.interfere = ({ side, method, file }, response) => {
    if (side !== "storage" || method !== "GET" || file !== "model.safetensors" || left-- <= 0) return false;
    answer(response);
    return true;
  };
}

const rangesOf = (hub: FakeHub) =>
  hub.requests.filter((r) => r.side === "storage" && r.method === "GET").map((r) => r.range);
const partials = (cache: string) => blobsOf(cache).filter((file) => file.endsWith("incomplete"));
const partialSizes = (cache: string) =>
  partials(cache).map((file) => readFileSync(join(cache, "models--lab--polyglot", "blobs", file)).length);
/** Bytes that are still in a buffer when a connection breaks are lost: it breaks when they are in the file. */
const halfIn = (cache: string) => () => partialSizes(cache).includes(half);

test("cut off in the middle: the rest is fetched, and only the rest", async (t) => {
  const { hub, options, cache } = await world(t, smallModel(weights));
  const events: HubEvent[] = [];
  first(hub, 1, (response) => sendBroken(response, weights, half, halfIn(cache)));
  const { folder } = await pullModel(name, { ...options, onEvent: (event) => events.push(event) });
  assert.ok(readFileSync(join(folder, "model.safetensors")).equals(weights));
  assert.deepEqual(rangesOf(hub), [undefined, `bytes=${half}-`]);
  assert.deepEqual(partials(cache), []);
  assert.equal(events.filter((e) => e.kind === "retry").length, 1);
});

test("cut off for good: what is there is kept, and the next pull goes on from it", async (t) => {
  const { hub, options, cache } = await world(t, smallModel(weights));
  first(hub, 1, (response) => sendBroken(response, weights, half, halfIn(cache)));
  const before = hub.interfere;
  hub.interfere = (request, response) => {
    if (before(request, response)) return true;
    if (request.side !== "storage") return false;
    response.destroy();
    return true;
  };
  await assert.rejects(pullModel(name, options), {
    code: "hub/unreachable",
    message: /lab\/polyglot model\.safetensors/,
  });
  assert.deepEqual(partialSizes(cache), [half]);
  assert.ok(
    !existsSync(join(cache, "models--lab--polyglot", "refs", "main")),
    "nothing half is offered as a base",
  );
  hub.interfere = () => false;
  hub.requests.length = 0;
  const { folder } = await pullModel(name, options);
  assert.ok(readFileSync(join(folder, "model.safetensors")).equals(weights));
  assert.deepEqual(rangesOf(hub), [`bytes=${half}-`]);
  assert.deepEqual(partials(cache), []);
});

test("cut off at the same place again and again: given up, though every try brings bytes", async (t) => {
  const { hub, options, cache } = await world(t, smallModel(weights));
  // The server knows no ranges; after twenty tries it gives the whole file, so that the test ends.
  first(hub, 20, (response) => sendBroken(response, weights, half, halfIn(cache)));
  await assert.rejects(pullModel(name, options), { code: "hub/unreachable", message: /5 times/ });
  assert.equal(rangesOf(hub).length, 5);
});

test("silence: after HF_HUB_DOWNLOAD_TIMEOUT the connection is taken as lost", async (t) => {
  const { hub, options } = await world(t, smallModel(weights));
  first(hub, 1, (response) => {
    response.writeHead(200, { "content-length": String(size) });
    response.write(weights.subarray(0, half));
  });
  const events: HubEvent[] = [];
  const env = { ...options.env, HF_HUB_DOWNLOAD_TIMEOUT: "1" };
  const { folder } = await pullModel(name, { ...options, env, onEvent: (event) => events.push(event) });
  assert.ok(readFileSync(join(folder, "model.safetensors")).equals(weights));
  assert.deepEqual(rangesOf(hub), [undefined, `bytes=${half}-`]);
  const [retry] = events.filter((e) => e.kind === "retry");
  assert.match(retry?.problem ?? "", /nothing came for 1 s/);
});

test("slow and steady is no silence", async (t) => {
  const { hub, options } = await world(t, smallModel(weights));
  first(hub, 1, (response) => {
    response.writeHead(200, { "content-length": String(size) });
    const step = size / 6;
    let sent = 0;
    const timer = setInterval(() => {
      response.write(weights.subarray(sent, sent + step));
      sent += step;
      if (sent < size) return;
      clearInterval(timer);
      response.end();
    }, 500);
  });
  await pullModel(name, { ...options, env: { ...options.env, HF_HUB_DOWNLOAD_TIMEOUT: "2" } });
  assert.deepEqual(rangesOf(hub), [undefined], "three seconds in one piece");
});

test("another file under the same name between two parts: begun anew, never mixed", async (t) => {
  const { hub, options, cache } = await world(t, smallModel(weights));
  const other = noise(size, 7);
  first(hub, 1, (response) => {
    sendBroken(response, weights, half, halfIn(cache));
    hub.replace(name, "model.safetensors", other);
  });
  const { folder } = await pullModel(name, options);
  assert.ok(readFileSync(join(folder, "model.safetensors")).equals(other));
  assert.deepEqual(rangesOf(hub), [undefined, `bytes=${half}-`, undefined]);
  assert.deepEqual(partials(cache), []);
});

test("a file that changes at every look is given up", async (t) => {
  const { hub, options } = await world(t, smallModel(weights));
  let seed = 10;
  hub.interfere = ({ side, method, file }) => {
    if (side === "hub" && method === "GET" && file === "model.safetensors")
      hub.replace(name, "model.safetensors", noise(size, seed++));
    return false;
  };
  await assert.rejects(pullModel(name, options), { code: "hub/response", message: /changes at the hub/ });
});

test("parts that do not fit together are found by the hash and fetched anew", async (t) => {
  const { hub, options, cache } = await world(t, smallModel(weights));
  first(hub, 1, (response) => sendBroken(response, noise(size, 3), half, halfIn(cache)));
  const { folder } = await pullModel(name, options);
  assert.ok(readFileSync(join(folder, "model.safetensors")).equals(weights));
  assert.deepEqual(rangesOf(hub), [undefined, `bytes=${half}-`, undefined]);
  assert.deepEqual(partials(cache), []);
});

for (const [what, answer] of Object.entries({
  "other bytes": noise(size, 3),
  "more bytes": Buffer.concat([weights, noise(10)]),
})) {
  test(`${what} than promised, always: refused, and nothing is kept`, async (t) => {
    const { hub, options, cache } = await world(t, smallModel(weights));
    hub.interfere = ({ side, range }, response) => {
      if (side !== "storage") return false;
      sendData(response, answer, range, {});
      return true;
    };
    await assert.rejects(pullModel(name, options), { code: "hub/corrupt", message: /model\.safetensors/ });
    assert.ok(!blobsOf(cache).some((blob) => blob.length === 64));
    assert.deepEqual(partials(cache), []);
    hub.interfere = () => false;
    await pullModel(name, options);
  });
}

for (const [what, answer] of Object.entries<(response: Parameters<FakeHub["interfere"]>[1]) => void>({
  "416 for the rest": (response) => response.writeHead(416).end(),
  "the whole file for the rest": (response) => sendData(response, weights, undefined, {}),
  "another part for the rest": (response) => sendData(response, weights, "bytes=5-", {}),
  "an expired address for the rest": (response) => response.writeHead(403).end(),
})) {
  test(`${what}: the file is whole all the same`, async (t) => {
    const { hub, options, cache } = await world(t, smallModel(weights));
    let count = 0;
    first(hub, 2, (response) =>
      count++ === 0 ? sendBroken(response, weights, half, halfIn(cache)) : answer(response),
    );
    const { folder } = await pullModel(name, options);
    assert.equal(count, 2);
    assert.ok(readFileSync(join(folder, "model.safetensors")).equals(weights));
  });
}

test("429 and 500 are tried again, as late as the server asks", async (t) => {
  const { hub, options } = await world(t);
  let count = 0;
  hub.interfere = (_request, response) => {
    if (++count > 3) return false;
    response.writeHead(count === 2 ? 429 : 500, count === 2 ? { "retry-after": "1" } : {}).end("busy");
    return true;
  };
  const events: HubEvent[] = [];
  await pullModel(name, { ...options, onEvent: (event) => events.push(event) });
  assert.deepEqual(
    events.flatMap((e) => (e.kind === "retry" ? [e.seconds] : [])),
    [0.005, 1, 0.02],
  );
});

test("a hub that is down: an error, or what is in the cache where that is a base", async (t) => {
  const { hub, options, cache } = await world(t);
  const { folder } = await pullModel(name, options);
  hub.interfere = (_request, response) => {
    response.writeHead(503).end();
    return true;
  };
  await assert.rejects(pullModel(name, options), { code: "hub/unreachable", message: /503/ });
  await assert.rejects(findBase("lab/other", options), {
    code: "hub/unreachable",
    message: /no folder lab\/other either/,
  });
  rmSync(join(folder, "tokenizer_config.json"));
  assert.equal(
    await findBase(name, options),
    folder,
    "asked for what may be missing, and not stopped by silence",
  );
  const unknown = { ...options.env, HF_ENDPOINT: "http://hub.invalid", HF_HUB_CACHE: join(cache, "new") };
  await assert.rejects(findBase(name, { ...options, env: unknown }), {
    code: "hub/unreachable",
    message: /hub\.invalid/,
  });
  const nobody = { ...options.env, HF_ENDPOINT: "http://127.0.0.1:65531", HF_HUB_CACHE: join(cache, "new") };
  await assert.rejects(findBase(name, { ...options, env: nobody }), {
    code: "hub/unreachable",
    message: /ECONNREFUSED/,
  });
});

test("HF_HUB_OFFLINE: the cache is used and no connection is opened", async (t) => {
  const { hub, options, cache } = await world(t);
  const offline = { ...options, env: { ...options.env, HF_HUB_OFFLINE: "1" } };
  const isOffline = (message: RegExp) => ({ code: "hub/offline", message });
  await assert.rejects(
    findBase(name, offline),
    isOffline(new RegExp(`not in the cache ${cache}.*no folder lab/polyglot`)),
  );
  await assert.rejects(pullModel(name, offline), isOffline(/HF_HUB_OFFLINE/));
  assert.equal(hub.connections, 0);
  const { folder } = await pullModel(name, options);
  const before = hub.connections;
  assert.equal(await findBase(name, offline), folder);
  await assert.rejects(findBase(`${name}@v2`, offline), isOffline(/lab\/polyglot@v2/));
  await assert.rejects(pullModel(name, offline), isOffline(/HF_HUB_OFFLINE/));
  assert.equal(hub.connections, before);
});

test("an interrupted download stops at once, is kept, and goes on", async (t) => {
  const { hub, options, cache } = await world(t, smallModel(weights));
  const stop = new AbortController();
  first(hub, 1, (response) => {
    response.writeHead(200, { "content-length": String(size) });
    response.write(weights.subarray(0, half));
  });
  const onEvent = (event: HubEvent) => {
    if (event.kind === "download" && event.file === "model.safetensors" && event.done === half) stop.abort();
  };
  await assert.rejects(pullModel(name, { ...options, signal: stop.signal, onEvent }), { code: "aborted" });
  assert.equal(partials(cache).length, 1);
  await pullModel(name, options);
  assert.deepEqual(rangesOf(hub), [undefined, `bytes=${half}-`]);
});

test("two at once in one cache: both whole, nothing left over", async (t) => {
  const { hub, options, cache } = await world(t, smallModel(weights));
  const both = await Promise.all([pullModel(name, options), pullModel(name, options)]);
  for (const { folder } of both) assert.ok(readFileSync(join(folder, "model.safetensors")).equals(weights));
  assert.deepEqual(partials(cache), []);
  assert.equal(
    rangesOf(hub).filter((range) => range !== undefined).length,
    0,
    "neither touches what the other writes",
  );
});

test("a partial file of another living process is left alone; that of a dead one is taken over", async (t) => {
  const { hub, options, cache } = await world(t, smallModel(weights));
  await pullModel(name, options);
  const blobs = join(cache, "models--lab--polyglot", "blobs");
  const [blob] = blobsOf(cache).filter((file) => file.length === 64) as [string];
  const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
  for (const [pid, range] of [
    [process.ppid, undefined],
    [2 ** 30, `bytes=${half}-`],
  ] as const) {
    rmSync(join(blobs, blob));
    writeFileSync(
      join(blobs, `${blob}.${host}-${pid}-00000000.tagllm-incomplete`),
      weights.subarray(0, half),
    );
    hub.requests.length = 0;
    await pullModel(name, options);
    assert.deepEqual(rangesOf(hub), [range]);
  }
  assert.equal(partials(cache).length, 1, "that of the living one");
});
