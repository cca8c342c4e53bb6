/** Environment variables mean what they mean to huggingface_hub (its documentation, and its constants.py). */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hubSettings } from "../../src/hub/environment.ts";
import { isSafePath, parseHubId, requireHubId } from "../../src/hub/names.ts";
import { temporary } from "./folder.ts";

const cacheOf = async (env: Record<string, string>) => (await hubSettings(env)).cache;

test("the cache: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, ~/.cache, in this order", async () => {
  const all = { HF_HUB_CACHE: "/a", HUGGINGFACE_HUB_CACHE: "/b", HF_HOME: "/c", XDG_CACHE_HOME: "/d" };
  const { HF_HUB_CACHE: _a, ...second } = all;
  const { HUGGINGFACE_HUB_CACHE: _b, ...third } = second;
  const { HF_HOME: _c, ...fourth } = third;
  assert.equal(await cacheOf(all), "/a");
  assert.equal(await cacheOf(second), "/b");
  assert.equal(await cacheOf(third), join("/c", "hub"));
  assert.equal(await cacheOf(fourth), join("/d", "huggingface", "hub"));
  assert.equal(await cacheOf({}), join(homedir(), ".cache", "huggingface", "hub"));
});

test("~ and variables in paths", async () => {
  assert.equal(await cacheOf({ HF_HUB_CACHE: "~/models" }), `${homedir()}/models`);
  assert.equal(await cacheOf({ HF_HOME: "$DISK/hf", DISK: "/big" }), join("/big/hf", "hub"));
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as a shell would have it
  assert.equal(await cacheOf({ HF_HUB_CACHE: "${DISK}/$NONE", DISK: "/big" }), "/big/$NONE");
});

test("the token: HF_TOKEN, the legacy name, HF_TOKEN_PATH, HF_HOME/token; stripped; not sent when told so", async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, "home"));
  writeFileSync(join(folder, "home", "token"), "hf_home\n");
  writeFileSync(join(folder, "elsewhere"), "  hf_elsewhere \r\n");
  const home = { HF_HOME: join(folder, "home") };
  const path = { ...home, HF_TOKEN_PATH: join(folder, "elsewhere") };
  const tokenOf = async (env: Record<string, string>) => (await hubSettings(env)).token;
  assert.equal(await tokenOf(home), "hf_home");
  assert.equal(await tokenOf(path), "hf_elsewhere");
  assert.equal(await tokenOf({ ...path, HUGGING_FACE_HUB_TOKEN: "hf_old" }), "hf_old");
  assert.equal(await tokenOf({ ...path, HUGGING_FACE_HUB_TOKEN: "hf_old", HF_TOKEN: " hf_new\n" }), "hf_new");
  assert.equal(await tokenOf({ HF_HOME: folder, HF_TOKEN: "\n" }), null);
  const kept = await hubSettings({ ...home, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" });
  assert.deepEqual([kept.token, kept.pushToken], [null, "hf_home"]);
});

test("a token that cannot be one is refused without being shown", async () => {
  await assert.rejects(hubSettings({ HF_TOKEN: "hf_secret\u00e9" }), (error: Error & { code: string }) => {
    assert.equal(error.code, "hub/settings");
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});

test("offline: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is 1, on, yes or true", async () => {
  for (const value of ["1", "ON", "yes", "True"]) {
    assert.equal((await hubSettings({ HF_HUB_OFFLINE: value })).offline, true);
    assert.equal((await hubSettings({ TRANSFORMERS_OFFLINE: value })).offline, true);
  }
  for (const value of ["0", "", "no"])
    assert.equal((await hubSettings({ HF_HUB_OFFLINE: value })).offline, false);
});

test("the endpoint and the timeouts", async () => {
  assert.equal((await hubSettings({})).endpoint, "https://huggingface.co");
  assert.equal(
    (await hubSettings({ HF_ENDPOINT: "http://localhost:8/hf//" })).endpoint,
    "http://localhost:8/hf",
  );
  const { metadataTimeout, downloadTimeout } = await hubSettings({ HF_HUB_DOWNLOAD_TIMEOUT: "30" });
  assert.deepEqual([metadataTimeout, downloadTimeout], [10_000, 30_000]);
  for (const env of [
    { HF_ENDPOINT: "huggingface" },
    { HF_ENDPOINT: "file:///x" },
    { HF_HUB_ETAG_TIMEOUT: "soon" },
  ])
    await assert.rejects(hubSettings(env), { code: "hub/settings" });
});

test("ids", () => {
  assert.deepEqual(parseHubId("org/name"), { repo: "org/name", revision: "main" });
  assert.deepEqual(parseHubId("HuggingFaceTB/SmolLM2-135M@v1.0"), {
    repo: "HuggingFaceTB/SmolLM2-135M",
    revision: "v1.0",
  });
  assert.equal(parseHubId("org/name@refs/pr/1")?.revision, "refs/pr/1");
  for (const text of [
    "gpt2",
    "./a/b",
    "../b",
    "/a/b",
    "a/b/c",
    "a/b@",
    "a/b@../x",
    "a--b/c",
    "a/b..c",
    "C:\\a/b",
    "a/b.git",
    "a/b@x\\y",
    "-a/b",
    ".a/b",
  ])
    assert.equal(parseHubId(text), null, text);
  assert.equal(requireHubId("org/name", "v2").revision, "v2");
  for (const [id, revision] of [
    ["gpt2", undefined],
    ["a/b@c", "d"],
    ["a/b", "../c"],
    ["a/b", ""],
  ] as const)
    assert.throws(() => requireHubId(id, revision), { code: "hub/id" });
});

test("paths from a server", () => {
  for (const path of ["model.safetensors", "sub/model-1.json", "ünï.json"]) assert.ok(isSafePath(path), path);
  for (const path of [
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a//b",
    "a\\..\\b",
    "C:x",
    "\\\\host\\x",
    "a/./b",
    "x\0y",
    "a\nb",
    "x".repeat(501),
  ])
    assert.ok(!isSafePath(path), JSON.stringify(path));
});
