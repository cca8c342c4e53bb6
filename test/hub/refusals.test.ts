/** What the hub refuses, what is no base, and what a server should never send: each said in its own words, nothing kept. */
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findBase, pullModel } from "../../src/hub/model.ts";
import { name, smallModel, temporary, world } from "./folder.ts";

test("what the hub refuses, by its own words", async (t) => {
  const { hub, options } = await world(t);
  const withToken = { ...options, env: { ...options.env, HF_TOKEN: hub.token } };
  const badToken = { ...options, env: { ...options.env, HF_TOKEN: "hf_bad" } };
  await assert.rejects(pullModel("lab/none", options), {
    code: "hub/not-found",
    message: /lab\/none.*401 RepoNotFound.*HF_TOKEN/,
  });
  await assert.rejects(pullModel("lab/none", withToken), {
    code: "hub/not-found",
    message: /404 RepoNotFound.*token/,
  });
  await assert.rejects(pullModel(`${name}@v9`, options), {
    code: "hub/revision",
    message: /lab\/polyglot at v9/,
  });
  await assert.rejects(pullModel(name, badToken), { code: "hub/denied", message: /401.*token/ });
  hub.commit("lab/gated", smallModel(), { access: "gated" });
  await assert.rejects(pullModel("lab/gated", options), {
    code: "hub/denied",
    message: /401 GatedRepo.*HF_TOKEN/,
  });
  await assert.rejects(pullModel("lab/gated", withToken), {
    code: "hub/denied",
    message: /403 GatedRepo.*\/lab\/gated/,
  });
  hub.interfere = ({ method, file }) => {
    if (method === "HEAD" && file === "tokenizer.json") hub.filesOf(name).delete("tokenizer.json");
    return false;
  };
  await assert.rejects(pullModel(name, options), { code: "hub/file", message: /tokenizer\.json/ });
});

test("a repository that is no base says why before anything is downloaded", async (t) => {
  const { hub, options, cache } = await world(t);
  const { "model.safetensors": _w, ...pickled } = smallModel();
  const { "pytorch_model.bin": _p, ...none } = pickled as Record<string, string>;
  const { "tokenizer.json": _t, ...noTokenizer } = smallModel();
  const { "config.json": _c, ...noConfig } = smallModel();
  const cases = [
    [pickled, "weights/pickle", /pytorch_model\.bin.*nothing was downloaded/],
    [{ ...none, "model.Q4.gguf": "" }, "weights/missing", /It has model\.Q4\.gguf/],
    [noTokenizer, "tokenizer/missing", /lab\/odd has no tokenizer\.json/],
    [noConfig, "model/config-missing", /lab\/odd has no config\.json/],
  ] as const;
  for (const [files, code, message] of cases) {
    hub.commit("lab/odd", files as Record<string, string>);
    await assert.rejects(findBase("lab/odd", options), { code, message });
  }
  assert.ok(hub.requests.every(({ path }) => path.startsWith("/api/models/lab/odd/revision/")));
  assert.deepEqual(readdirSync(cache), []);
});

test("names, hashes, sizes and addresses that a server should never send", async (t) => {
  const { hub, options, cache } = await world(t);
  const outside = temporary(t);
  const refused = (message: RegExp) =>
    assert.rejects(pullModel(name, options), { code: "hub/response", message });
  for (const file of ["../../../evil.json", `${outside}/evil.json`, "a\\..\\..\\evil.json", "C:evil.json"]) {
    hub.commit(name, { ...smallModel(), [file]: "evil" });
    await refused(/could leave its folder/);
  }
  hub.commit(name, { ...smallModel(), "what is this?.png": "odd, and not needed" });
  await pullModel(name, { ...options, env: { ...options.env, HF_HUB_CACHE: temporary(t) } });
  hub.commit(name, smallModel());
  const head = (headers: Record<string, string>) => {
    hub.interfere = ({ side, method, file }, response) => {
      if (side !== "hub" || method !== "HEAD" || file !== "config.json") return false;
      response.writeHead(200, headers).end();
      return true;
    };
  };
  const etag = `"${"a".repeat(40)}"`;
  head({ etag: '"../../../../evil"', "content-length": "2" });
  await refused(/gives no hash/);
  head({ etag, "content-length": "2", "x-repo-commit": "b".repeat(40) });
  await refused(/answers with commit bbb/);
  head({ etag, "x-linked-size": "-1" });
  await refused(/how large/);
  head({ etag, "x-linked-size": "900000000" });
  await refused(/900000000 bytes; no such file has over/);
  for (const location of ["file:///etc/passwd", "ftp://x/y", "http://[", "/again"]) {
    hub.interfere = (_request, response) => {
      response.writeHead(302, { location }).end();
      return true;
    };
    await refused(location === "/again" ? /redirects more than/ : /no safe address/);
  }
  hub.interfere = (_request, response) => {
    response.writeHead(200).end("<html>");
    return true;
  };
  await refused(/not JSON/);
  assert.deepEqual(readdirSync(cache), []);
  assert.deepEqual(readdirSync(outside), []);
});

test("a disk that is too small, a cache that is none", async (t) => {
  const { hub, options, cache } = await world(t);
  hub.interfere = ({ side, method, file }, response) => {
    if (side !== "hub" || method !== "HEAD" || file !== "model.safetensors") return false;
    response
      .writeHead(302, {
        "x-linked-etag": "a".repeat(64),
        "x-linked-size": "900000000000000",
        location: "http://127.0.0.1:1/x",
      })
      .end();
    return true;
  };
  await assert.rejects(pullModel(name, options), {
    code: "hub/cache",
    message: /needs 900000000000000 more bytes.*HF_HUB_CACHE/,
  });
  hub.interfere = () => false;
  writeFileSync(join(cache, "file"), "");
  const env = { ...options.env, HF_HUB_CACHE: join(cache, "file") };
  await assert.rejects(pullModel(name, { ...options, env }), {
    code: "hub/cache",
    message: /cannot be written/,
  });
});
