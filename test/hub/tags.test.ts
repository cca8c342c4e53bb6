/** Tags to the hub and back: what is pushed, what the card says, and that nothing that comes from there is trusted. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parse } from "yaml";
import { findBase, pullModel } from "../../src/hub/model.ts";
import { modelCard } from "../../src/tags/card.ts";
import { loadTag, saveTag } from "../../src/tags/file.ts";
import { pullTags, pushTags } from "../../src/tags/hub.ts";
import { type Tag, tagDigest } from "../../src/tags/tag.ts";
import { run } from "../cli/command.ts";
import { domainTag, functionTag, sampleBase } from "../tags/sample.ts";
import { name, smallModel, temporary, world } from "./folder.ts";

const domain = domainTag();
const provenance = {
  study: "solubility",
  seed: 3,
  tagllm: "0.1.0",
  data: [{ file: "/home/me/molecules.csv", sha256: "d".repeat(64) }],
  test: [{ task: "molecules", target: "qed", rmse: 1.04217, r2: 0.7654321, note: "|" }],
};
const asked = functionTag({ usesTags: [{ name: "SMILES", sha256: tagDigest(domain) }], provenance });

async function library(t: TestContext, tags: readonly Tag[] = [domain, asked]): Promise<string> {
  const folder = temporary(t);
  for (const tag of tags) await saveTag(join(folder, `${tag.name}.safetensors`), tag);
  return folder;
}

async function withToken(t: TestContext) {
  const { hub, options, env, cache } = await world(t);
  const all = { ...env, HF_TOKEN: hub.token };
  return { hub, cache, env: all, options: { ...options, env: all } };
}

const isTag = (left: Tag, right: Tag) => assert.equal(tagDigest(left), tagDigest(right));

test("pushed and pulled: the same tags, from a repository that was made for them", async (t) => {
  const { hub, options } = await withToken(t);
  const folder = await library(t);
  const pushed = await pushTags(folder, "lab/solubility", { ...options, license: "apache-2.0" });
  assert.deepEqual(pushed.tags, ["QED", "SMILES"]);
  const there = hub.filesOf("lab/solubility");
  assert.deepEqual([...there.keys()].sort(), [
    ".gitattributes",
    "QED.safetensors",
    "README.md",
    "SMILES.safetensors",
  ]);
  for (const name of ["QED", "SMILES"]) {
    const file = `${name}.safetensors`;
    assert.ok(there.get(file)?.equals(readFileSync(join(folder, file))), "byte for byte");
  }
  assert.equal(there.get("README.md")?.toString(), pushed.card);
  assert.match(hub.pushed[0] ?? "", /^QED, SMILES \(tagllm /);
  assert.match(pushed.url, /\/lab\/solubility\/commit\/[0-9a-f]{40}$/);
  const uploads = hub.requests.filter((r) => r.method === "PUT");
  assert.equal(uploads.length, 2);
  assert.ok(
    uploads.every(({ authorization }) => authorization === undefined),
    "the storage never sees the token",
  );

  const into = join(temporary(t), "new");
  const pulled = await pullTags("lab/solubility", { ...options, into });
  assert.deepEqual([pulled.copied, pulled.kept, pulled.commit], [["QED", "SMILES"], [], pushed.commit]);
  isTag(await loadTag(join(into, "QED.safetensors")), asked);
  isTag(await loadTag(join(into, "SMILES.safetensors")), domain);
  assert.deepEqual((await loadTag(join(into, "QED.safetensors"))).provenance, provenance);
  assert.deepEqual((await pullTags("lab/solubility", { ...options, into })).kept, ["QED", "SMILES"]);
});

test("pushed again: a commit on top, what is there under other names stays", async (t) => {
  const { hub, options } = await withToken(t);
  await pushTags(await library(t, [domainTag({ name: "Protein" })]), "lab/more", options);
  await pushTags(await library(t), "lab/more", options);
  assert.equal(hub.pushed.length, 2);
  assert.deepEqual(
    [...hub.filesOf("lab/more").keys()].filter((file) => file.endsWith("safetensors")).sort(),
    ["Protein.safetensors", "QED.safetensors", "SMILES.safetensors"],
  );
  assert.equal(hub.requests.filter((r) => r.path === "/api/repos/create").length, 1);
});

test("private where it is made so", async (t) => {
  const { options, env } = await withToken(t);
  await pushTags(await library(t), "lab/ours", { ...options, private: true });
  const { HF_TOKEN: _, ...stranger } = env;
  await assert.rejects(pullTags("lab/ours", { ...options, env: stranger }), { code: "hub/not-found" });
});

test("what cannot be pushed says so before anything is sent", async (t) => {
  const { hub, options, env } = await withToken(t);
  const whole = await library(t);
  const refused = (code: string, message: RegExp, folder: string, id = "lab/x", more = {}) =>
    assert.rejects(pushTags(folder, id, { ...options, ...more }), { code, message });
  await refused("tag/missing", /"QED" needs the tag "SMILES"/, await library(t, [asked]));
  await refused("tag/changed", /SMILES/, await library(t, [domainTag({ bos: true }), asked]));
  await refused("tag/missing", /has no tags/, temporary(t));
  const damaged = await library(t);
  writeFileSync(join(damaged, "SMILES.safetensors"), "x");
  await refused("tag/damaged", /SMILES/, damaged);
  await refused("tag/name", /"model".*weights/, await library(t, [domainTag({ name: "model" })]));
  await refused("hub/id", /"solubility"/, whole, "solubility");
  await refused("hub/id", /revision/, whole, "lab/x@v1");
  await refused("hub/push", /license/, whole, "lab/x", { license: "Apache License\nevil: yes" });
  const { HF_TOKEN: _, ...noToken } = env;
  await refused("hub/denied", /without an access token.*HF_TOKEN/, whole, "lab/x", { env: noToken });
  await refused("hub/offline", /HF_HUB_OFFLINE/, whole, "lab/x", { env: { ...env, HF_HUB_OFFLINE: "1" } });
  assert.equal(hub.connections, 0);
});

test("what the hub refuses or loses", async (t) => {
  const { hub, options, env } = await withToken(t);
  const whole = await library(t);
  await assert.rejects(pushTags(whole, "others/x", options), {
    code: "hub/denied",
    message: /others\/x.*403.*may not create in this namespace/,
  });
  const bad = { ...options, env: { ...env, HF_TOKEN: "hf_bad" } };
  await assert.rejects(pushTags(whole, "lab/x", bad), { code: "hub/denied", message: /401/ });
  let broken = 2;
  hub.interfere = ({ path }, response) => {
    if (!path.includes("/commit/") || broken-- <= 0) return false;
    if (broken === 1) response.writeHead(503).end();
    else response.destroy();
    return true;
  };
  await pushTags(whole, "lab/x", options);
  assert.equal(hub.pushed.length, 1, "tried again after 503 and a broken connection");
  hub.interfere = ({ path }, response) => {
    if (!path.includes("/preupload/")) return false;
    response.writeHead(400, { "content-type": "application/json" }).end('{"error": "a reason"}');
    return true;
  };
  await assert.rejects(pushTags(whole, "lab/x", options), { code: "hub/push", message: /400.*a reason/ });
});

test("nothing that comes from the hub is trusted: all or nothing", async (t) => {
  const { hub, options } = await withToken(t);
  const whole = await library(t);
  const bytesOf = (name: string) => readFileSync(join(whole, `${name}.safetensors`));
  const tampered = Buffer.from(bytesOf("SMILES"));
  tampered[tampered.length - 2] = (tampered.at(-2) as number) ^ 1;
  const into = join(temporary(t), "new");
  const refused = async (code: string, files: Record<string, Buffer | string>) => {
    hub.commit("lab/evil", files);
    await assert.rejects(pullTags("lab/evil", { ...options, into }), { code });
    assert.ok(!existsSync(into));
  };
  await refused("tag/damaged", { "QED.safetensors": bytesOf("QED"), "SMILES.safetensors": tampered });
  await refused("tag/name", { "Other.safetensors": bytesOf("SMILES") });
  await refused("tag/damaged", { "SMILES.safetensors": "garbage" });
  await refused("tag/missing", smallModelWithoutWeights());
  await refused("tag/missing", { "sub/SMILES.safetensors": bytesOf("SMILES"), "-x.safetensors": "x" });
  await refused("hub/response", { "SMILES.safetensors": bytesOf("SMILES"), "../x.safetensors": "x" });
  hub.interfere = ({ method, file }, response) => {
    if (method !== "HEAD" || file !== "SMILES.safetensors") return false;
    response.writeHead(200, { "x-linked-etag": "a".repeat(64), "x-linked-size": "600000000" }).end();
    return true;
  };
  await refused("hub/response", { "SMILES.safetensors": bytesOf("SMILES") });
});

const smallModelWithoutWeights = () => {
  const { "model.safetensors": _, ...rest } = smallModel();
  return rest;
};

test("tags in the repository of a base: its weights stay there, and the base stays in the cache", async (t) => {
  const { hub, options } = await withToken(t);
  const offline = { ...options, env: { ...options.env, HF_HUB_OFFLINE: "1" } };
  const base = await pullModel(name, options);
  const weights = ["adapter_model", "consolidated", "model-00001-of-00002", "model.fp16"];
  const others = Object.fromEntries(weights.map((file) => [`${file}.safetensors`, "weights"]));
  hub.commit(name, { ...smallModel(), ...others });
  const folder = await library(t, [domain, asked, domainTag({ name: "models" })]);
  await pushTags(folder, name, options);
  const into = join(temporary(t), "new");
  const pulled = await pullTags(name, { ...options, into });
  assert.deepEqual(pulled.copied, ["QED", "SMILES", "models"]);
  assert.ok(!hub.requests.some(({ file }) => file !== undefined && file in others));
  assert.equal(await findBase(name, offline), base.folder);

  const newer = await pullModel(name, options);
  assert.equal(newer.commit, pulled.commit);
  assert.equal(await findBase(name, offline), newer.folder);
  assert.deepEqual((await pullTags(name, { ...offline, into })).kept, ["QED", "SMILES", "models"]);
});

test("a tag that the repository no longer has does not hold its branch back", async (t) => {
  const { hub, options } = await withToken(t);
  await pushTags(await library(t), "lab/solubility", options);
  await pullTags("lab/solubility", { ...options, into: join(temporary(t), "old") });
  const whole = await library(t);
  const left = { "SMILES.safetensors": readFileSync(join(whole, "SMILES.safetensors")) };
  const commit = hub.commit("lab/solubility", left);
  await pullTags("lab/solubility", { ...options, into: join(temporary(t), "new") });
  const offline = { ...options, env: { ...options.env, HF_HUB_OFFLINE: "1" } };
  const pulled = await pullTags("lab/solubility", { ...offline, into: join(temporary(t), "offline") });
  assert.deepEqual([pulled.commit, pulled.copied], [commit, ["SMILES"]]);
});

test("a tag of another content under a name that is taken: nothing is written", async (t) => {
  const { options } = await withToken(t);
  await pushTags(await library(t), "lab/solubility", options);
  const other = domainTag({ bos: true });
  const into = await library(t, [other]);
  await assert.rejects(pullTags("lab/solubility", { ...options, into }), { code: "tag/duplicate" });
  assert.deepEqual(readdirSync(into), ["SMILES.safetensors"]);
  isTag(await loadTag(join(into, "SMILES.safetensors")), other);
});

test("the card: front matter of the hub, every tag, its metrics, how to use it", () => {
  const base = { ...sampleBase, name: "lab/polyglot" };
  const card = modelCard(
    [
      { ...domain, base },
      { ...asked, base },
    ],
    { repo: "lab/solubility", license: "mit" },
  );
  const [, front = "", body = ""] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(card) ?? [];
  assert.deepEqual(parse(front), {
    library_name: "tagllm",
    base_model: "lab/polyglot",
    license: "mit",
    tags: ["tag-llm", "tagllm", "soft-prompt"],
  });
  assert.match(body, /^\n# solubility\n/);
  assert.match(body, /\| `<SMILES>` \| domain \| 3 \| says what the data after it is \|/);
  assert.match(body, /\| `<QED>` \| function \| 3 \| answers qed, logp \(numbers\) \|/);
  assert.match(
    body,
    /\| task \| RMSE \| R2 \|\n\| --- \| --- \| --- \|\n\| molecules qed \| 1\.042 \| 0\.7654 \|/,
  );
  assert.match(body, /Trained beside `<SMILES>`\. Made by study solubility, seed 3, tagllm 0\.1\.0\./);
  assert.ok(body.includes(`\`\`\`text\n${asked.template}\n\`\`\``));
  assert.match(body, /tagllm tags pull lab\/solubility --into tags\n/);
  assert.match(body, /predict --tag QED --tags tags --base lab\/polyglot --field smiles=\.\.\.\n/);
  assert.doesNotMatch(card, /home\/me/, "paths of the trainer's machine are not shown");
  const chat = [
    { role: "system", content: "Be short." },
    { role: "user", content: "<SMILES> {smiles} <QED>" },
  ];
  const chatting = modelCard([{ ...asked, base, template: chat }], { repo: "lab/solubility" });
  assert.ok(chatting.includes("```text\nsystem: Be short.\nuser: <SMILES> {smiles} <QED>\n```"));
  assert.match(chatting, /--field smiles=\.\.\.\n/);
  const shipped = modelCard([{ ...asked, base: { ...base, name: "polyglot-5m" } }], {
    repo: "lab/solubility",
  });
  assert.match(
    shipped,
    /predict --tag QED --tags tags --field smiles=\.\.\.\n/,
    "the base that ships needs no name",
  );
});

test("names and prompts of a stranger stay text in the card", () => {
  const base = { ...sampleBase, name: 'x"\n---\nlicense: evil\n<script>' };
  const hostile = { test: [{ task: "`a|b\n# c <img>", "m|<b>": 1 }, null, 3], study: "`rm`" };
  const tag = functionTag({ base, template: "```\n# out\n<QED> {qed}", provenance: hostile, usesTags: [] });
  const card = modelCard([tag], { repo: "lab/x" });
  const [, front = ""] = /^---\n([\s\S]*?)\n---\n/.exec(card) ?? [];
  assert.deepEqual(
    Object.keys(parse(front) as object),
    ["library_name", "tags"],
    "a base that is not on the hub is not linked",
  );
  assert.doesNotMatch(card, /<script>|<img>|<b>|\n# c|[^\\]\|b/);
  assert.match(card, /\n````text\n```\n# out\n/);
});

test("the commands, and a pull from the cache without a connection", async (t) => {
  const { hub, env } = await withToken(t);
  const folder = await library(t);
  const here = temporary(t);
  const pushed = await run(["tags", "push", folder, "lab/sol", "--license", "mit", "--json"], here, env);
  assert.equal(pushed.code, 0, pushed.stderr);
  const { repo, tags, commit } = JSON.parse(pushed.stdout) as Record<string, unknown>;
  assert.deepEqual([repo, tags], ["lab/sol", ["QED", "SMILES"]]);
  const pulled = await run(["tags", "pull", "lab/sol"], here, env);
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.equal(pulled.stdout, `From lab/sol (${commit}) into sol: QED, SMILES\n`);
  assert.deepEqual(readdirSync(join(here, "sol")), ["QED.safetensors", "SMILES.safetensors"]);
  const connections = hub.connections;
  const offline = await run(["tags", "pull", "lab/sol", "--into", "b", "--json"], here, {
    ...env,
    HF_HUB_OFFLINE: "1",
  });
  assert.equal(offline.code, 0, offline.stderr);
  assert.deepEqual((JSON.parse(offline.stdout) as { copied: string[] }).copied, ["QED", "SMILES"]);
  const unknown = await run(["tags", "pull", "lab/other"], here, { ...env, HF_HUB_OFFLINE: "1" });
  assert.match(unknown.stderr, /error\[hub\/offline\]/);
  assert.equal(hub.connections, connections);
});
