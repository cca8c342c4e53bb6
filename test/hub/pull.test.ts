/** Downloads from a server that behaves like the hub: what is fetched, where it lands, who learns the token. */
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { downloadFileToCacheDir, scanCacheDir } from "@huggingface/hub";
import { parse } from "yaml";
import { findBase, pullModel } from "../../src/hub/model.ts";
import type { HubEvent } from "../../src/hub/snapshot.ts";
import { domainStudy } from "../../src/learn/compose.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { encodeSafetensors } from "../../src/weights/safetensors.ts";
import { gitSha1 } from "../support/hub.ts";
import { blobsOf, name, polyglot, smallModel, temporary, tree, type World, world } from "./folder.ts";

test("the files of a base land as huggingface_hub has them, and only those", async (t) => {
  const { hub, cache, options } = await world(t, polyglot());
  const events: HubEvent[] = [];
  const pulled = await pullModel(name, { ...options, onEvent: (event) => events.push(event) });
  const home = join(cache, "models--lab--polyglot");
  assert.equal(pulled.folder, join(home, "snapshots", pulled.commit));
  assert.equal(readFileSync(join(home, "refs", "main"), "utf8"), pulled.commit);
  const wanted = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "seen.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ];
  assert.deepEqual(tree(pulled.folder), wanted);
  for (const file of wanted) {
    const content = readFileSync(join(defaultBase, file));
    assert.ok(readFileSync(join(pulled.folder, file)).equals(content), file);
    const target = readlinkSync(join(pulled.folder, file));
    if (file !== "model.safetensors") assert.equal(target, join("..", "..", "blobs", gitSha1(content)));
    else assert.match(target, /^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
  }
  assert.equal(blobsOf(cache).length, wanted.length);
  assert.ok(!hub.requests.some(({ file }) => file === "README.md"));
  const last = events.filter((e) => e.kind === "download").at(-1);
  assert.ok(last && last.done === last.total && last.file === "model.safetensors");
  assert.equal(
    pulled.bytes,
    wanted.reduce((sum, file) => sum + readFileSync(join(defaultBase, file)).length, 0),
  );
});

test("the cache reader of @huggingface/hub, which is not ours, finds what was pulled, and nothing odd", async (t) => {
  for (const env of [{}, { HF_HUB_DISABLE_SYMLINKS: "1" }] as Record<string, string>[]) {
    const { cache, hub, options } = await world(t, polyglot());
    const pulled = await pullModel(name, { ...options, env: { ...options.env, ...env } });
    await pullModel(`${name}@${pulled.commit}`, { ...options, env: { ...options.env, ...env } });
    const { repos, warnings, size } = await scanCacheDir(cache);
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      repos.map(({ id }) => id),
      [{ name, type: "model" }],
    );
    assert.equal(size, pulled.bytes);
    const [revision] = repos[0]?.revisions ?? [];
    assert.deepEqual(
      [revision?.commitOid, revision?.path, revision?.refs],
      [pulled.commit, pulled.folder, ["main"]],
    );
    const files = revision?.files.map(({ path }) => basename(path)).sort();
    assert.deepEqual(files, [...pulled.files].sort());
    hub.requests.length = 0;
    const path = await downloadFileToCacheDir({
      repo: name,
      path: "model.safetensors",
      revision: pulled.commit,
      cacheDir: cache,
      hubUrl: hub.endpoint,
    });
    assert.equal(path, join(pulled.folder, "model.safetensors"));
    assert.equal(hub.requests.length, 0);
  }
});

test("a study written for a base of the hub names it by its id, one of a folder by the way to it", () => {
  const plan = {
    name: "words",
    file: "/data/words.csv",
    inputs: [{ column: "word", tag: "Word" }],
    target: "size",
    answer: "number",
    test: 0.1,
    validation: 0.1,
    splitSeed: 0,
    seeds: [1],
    domainSteps: 5,
    molecules: [],
    words: true,
  } as const;
  const baseOf = (base: string) =>
    (parse(domainStudy({ ...plan, base }, {}, "/runs/words") ?? "") as { base: string }).base;
  assert.equal(baseOf("lab/polyglot@v1"), "lab/polyglot@v1");
  assert.equal(baseOf("/models/polyglot"), "../../models/polyglot");
});

test("a base loads by its id, from the cache the second time, with the numbers of the folder", async (t) => {
  const { hub, env } = await world(t, polyglot());
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
  });
  Object.assign(process.env, env);
  const local = await Base.load(defaultBase, { threads: 1 });
  await local.close();
  for (const round of [1, 2]) {
    const base = await Base.load(name, { threads: 1 });
    await base.close();
    assert.equal(base.name, name);
    assert.equal(base.fingerprint.id, local.fingerprint.id);
    if (round === 1) hub.requests.length = 0;
  }
  assert.equal(hub.requests.length, 0, "the second time nobody is asked");
});

test("the token goes to the hub and never to the storage that it redirects to", async (t) => {
  const { hub, options } = await world(t);
  hub.commit(name, smallModel(), { access: "private" });
  await pullModel(name, { ...options, env: { ...options.env, HF_TOKEN: hub.token } });
  const of = (side: string) => hub.requests.filter((r) => r.side === side);
  assert.ok(of("storage").length > 0 && of("hub").length > 5);
  assert.ok(of("hub").every(({ authorization }) => authorization === `Bearer ${hub.token}`));
  assert.ok(of("storage").every(({ authorization }) => authorization === undefined));
});

test("shards: those that the index names", async (t) => {
  const part = (tensor: string) =>
    encodeSafetensors({ [tensor]: { dtype: "F32", shape: [2], data: new Float32Array(2) } }, {});
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const files = {
    ...smallModel(),
    [shards[0] as string]: Buffer.from(part("a")),
    [shards[1] as string]: Buffer.from(part("b")),
    "consolidated.safetensors": "another copy",
    "model.safetensors.index.json": JSON.stringify({ weight_map: { a: shards[0], b: shards[1] } }),
  };
  const { "model.safetensors": _single, ...sharded } = files as Record<string, Buffer | string>;
  const { hub, options } = await world(t, sharded);
  const { folder } = await pullModel(name, options);
  assert.deepEqual(
    tree(folder).filter((file) => file.includes("safetensors")),
    [...shards, "model.safetensors.index.json"],
  );
  rmSync(join(folder, shards[1] as string));
  assert.equal(await findBase(name, options), folder, "a shard that is gone is fetched again");
  assert.ok(existsSync(join(folder, shards[1] as string)));

  const { [shards[1] as string]: _gone, ...torn } = sharded;
  hub.commit(name, torn);
  await assert.rejects(pullModel(name, options), { code: "weights/index", message: /model-00002/ });
  hub.commit(name, { ...sharded, "model.safetensors.index.json": '{"weight_map": {"a": "../../x"}}' });
  await assert.rejects(pullModel(name, options), { code: "weights/index" });
});

test("a cache without links: files in the snapshots, found again, nothing downloaded twice", async (t) => {
  const { hub, cache, options } = await world(t);
  const env = { ...options.env, HF_HUB_DISABLE_SYMLINKS: "1" };
  const { folder } = await pullModel(name, { ...options, env });
  assert.ok(tree(folder).every((file) => lstatSync(join(folder, file)).isFile()));
  assert.deepEqual(blobsOf(cache), [], "moved, not copied");
  hub.requests.length = 0;
  assert.equal(await findBase(name, { ...options, env }), folder);
  assert.equal(hub.requests.length, 0);
  await pullModel(name, { ...options, env });
  assert.ok(hub.requests.every(({ method, path }) => method === "HEAD" || path.startsWith("/api/models/")));
});

for (const links of [true, false]) {
  test(`a cache that Python made ${links ? "with" : "without"} links is used as it is`, async (t) => {
    const { hub, cache, options } = await world(t);
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const home = join(cache, "models--lab--polyglot");
    const snapshot = join(home, "snapshots", commit);
    for (const folder of [join(home, "refs"), join(home, "blobs"), snapshot])
      mkdirSync(folder, { recursive: true });
    writeFileSync(join(home, "refs", "main"), commit);
    for (const [file, content] of Object.entries(smallModel())) {
      const blob = gitSha1(Buffer.from(content));
      if (links) {
        writeFileSync(join(home, "blobs", blob), content);
        symlinkSync(`../../blobs/${blob}`, join(snapshot, file));
      } else writeFileSync(join(snapshot, file), content);
    }
    mkdirSync(join(home, ".no_exist", commit), { recursive: true });
    const noted = (file: string) => writeFileSync(join(home, ".no_exist", commit, file), "");
    for (const file of ["generation_config.json", "chat_template.jinja", "chat_template.json"]) noted(file);
    assert.equal(await findBase(name, options), snapshot);
    assert.equal(await findBase(`${name}@${commit}`, options), snapshot);
    assert.equal(hub.requests.length, 0);
    rmSync(join(snapshot, "tokenizer_config.json"));
    noted("tokenizer_config.json");
    assert.equal(await findBase(name, options), snapshot, "Python has noted that there is no such file");
    assert.equal(hub.requests.length, 0);
    rmSync(join(snapshot, "tokenizer.json"));
    assert.notEqual(await findBase(name, options), snapshot, "without its tokenizer it is no base");
  });
}

/** Config, tokenizer and weights in the cache, as a program has it that never asked for more; the commit. */
function cachedInPart({ hub, cache }: World, more: Record<string, string>): string {
  const commit = hub.commit(name, { ...smallModel(), ...more });
  hub.commit(name, smallModel("newer"));
  const home = join(cache, "models--lab--polyglot");
  const snapshot = join(home, "snapshots", commit);
  for (const folder of [join(home, "refs"), snapshot]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(home, "refs", "main"), commit);
  for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
    writeFileSync(join(snapshot, file), smallModel()[file] as string);
  return commit;
}

test("what another program did not ask for is asked for once, at the commit that is there", async (t) => {
  const here = await world(t);
  const { hub, cache, options } = here;
  const more = { "chat_template.jinja": "{{ messages }}", "generation_config.json": '{"eos_token_id": 1}' };
  const commit = cachedInPart(here, more);
  const snapshot = join(cache, "models--lab--polyglot", "snapshots", commit);
  assert.equal(await findBase(name, options), snapshot);
  for (const [file, content] of Object.entries(more))
    assert.equal(readFileSync(join(snapshot, file), "utf8"), content);
  assert.deepEqual(tree(join(cache, "models--lab--polyglot", ".no_exist")), [`${commit}/chat_template.json`]);
  const asked = hub.requests.flatMap(({ file }) => (file === undefined ? [] : [file]));
  assert.deepEqual([...new Set(asked)].sort(), Object.keys(more), "and not for the weights");
  hub.requests.length = 0;
  assert.equal(await findBase(name, options), snapshot);
  assert.equal(hub.requests.length, 0);
});

test("where the hub cannot be asked what is there is used; where it has more, that must come", async (t) => {
  const here = await world(t);
  const { hub, cache, options } = here;
  const commit = cachedInPart(here, { "chat_template.jinja": "{{ messages }}" });
  const home = join(cache, "models--lab--polyglot");
  const snapshot = join(home, "snapshots", commit);
  const before = hub.connections;
  const offline = { ...options, env: { ...options.env, HF_HUB_OFFLINE: "1" } };
  assert.equal(await findBase(name, offline), snapshot);
  assert.equal(hub.connections, before);
  for (const status of [401, 403, 404, 503]) {
    hub.interfere = (_request, response) => {
      response.writeHead(status).end();
      return true;
    };
    assert.equal(await findBase(name, options), snapshot, String(status));
  }
  hub.interfere = ({ file }, response) => {
    if (file === undefined) return false;
    response.writeHead(403, { "x-error-code": "GatedRepo" }).end();
    return true;
  };
  await assert.rejects(findBase(name, options), { code: "hub/denied", message: /chat_template\.jinja/ });
  hub.interfere = () => false;
  writeFileSync(join(home, ".no_exist"), "a cache where no absence can be noted");
  assert.equal(await findBase(name, options), snapshot);
  assert.equal(readFileSync(join(snapshot, "chat_template.jinja"), "utf8"), "{{ messages }}");
});

test("a pull notes what its commit does not have", async (t) => {
  const { cache, options } = await world(t);
  const { commit } = await pullModel(name, options);
  const noted = tree(join(cache, "models--lab--polyglot", ".no_exist", commit));
  assert.deepEqual(noted, ["chat_template.jinja", "chat_template.json", "generation_config.json"]);
});

test("revisions: a branch, a pull request, a commit; the cache keeps each", async (t) => {
  const { hub, cache, options } = await world(t, smallModel("one"));
  const first = await pullModel(name, options);
  hub.commit(name, smallModel("two"));
  hub.commit(name, smallModel("three"), { ref: "refs/pr/1" });
  assert.equal(await findBase(name, options), first.folder, "what is in the cache is not asked for anew");
  const second = await pullModel(name, options);
  const third = await pullModel(name, { ...options, revision: "refs/pr/1" });
  const weights = [first, second, third].map((p) =>
    readFileSync(join(p.folder, "model.safetensors"), "utf8"),
  );
  assert.deepEqual(weights, ["one", "two", "three"]);
  assert.equal(await findBase(name, options), second.folder, "pull brings the newest");
  assert.equal(await findBase(`${name}@refs/pr/1`, options), third.folder);
  assert.equal(await findBase(`${name}@${first.commit}`, options), first.folder);
  const refs = join(cache, "models--lab--polyglot", "refs");
  assert.deepEqual(tree(refs), ["main", "refs/pr/1"], "a commit has no ref");
});

test("a folder of that name wins; another spelling is a path and never asked for", async (t) => {
  const { hub, options } = await world(t);
  const here = temporary(t);
  mkdirSync(join(here, "lab", "polyglot"), { recursive: true });
  assert.equal(await findBase(name, { ...options, from: here }), join(here, "lab", "polyglot"));
  for (const path of ["./lab/none", "../lab/none", "none", "/lab/none", "a/b/c"])
    assert.equal(await findBase(path, options), path);
  assert.equal(hub.requests.length, 0);
});

test("a damaged file in the cache is found and replaced by pull", async (t) => {
  const { hub, options } = await world(t, smallModel("the weights"));
  const { folder } = await pullModel(name, options);
  const file = join(folder, "model.safetensors");
  writeFileSync(file, "the weighTs");
  hub.requests.length = 0;
  await pullModel(name, options);
  assert.equal(readFileSync(file, "utf8"), "the weights");
  const fetched = hub.requests.filter((r) => r.method === "GET" && r.file !== undefined).map((r) => r.file);
  assert.deepEqual([...new Set(fetched)], ["model.safetensors"], "and nothing else");
});
