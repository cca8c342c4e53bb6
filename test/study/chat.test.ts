/** A study whose prompts are messages: learned, written to tags, asked, and shown; and a base that takes no messages. */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readRows } from "../../src/data/source.ts";
import { queriesOf } from "../../src/generate/prompts.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { evaluateTag } from "../../src/study/evaluate.ts";
import { loadStudy, parseStudy } from "../../src/study/load.ts";
import { predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { verifyTags } from "../../src/study/verify-tags.ts";
import { loadTag } from "../../src/tags/file.ts";
import { openTags } from "../../src/tags/library.ts";
import { renameTag } from "../../src/tags/rename.ts";
import { run } from "../cli/command.ts";

const chatTemplate =
  "{{ bos_token }}{% for m in messages %}{{ '[' + m.role + '] ' + m.content | trim }}{{ eos_token }}{% endfor %}{{ '[assistant] ' if add_generation_prompt }}";

const study = (base: string) => `name: chats
base: ${base}
data: { rows: { file: rows.csv, split: { test: 10, validation: 10 } } }
tags:
  Chain: { kind: domain, length: 2 }
  Count: { kind: function, answer: number, length: 2 }
  Say: { kind: function, answer: text, length: 2 }
stages:
  - { name: domain, train: [Chain], steps: 1, batch: 4, tasks: [{ data: rows, template: "<Chain> {text}" }] }
  - name: count
    train: [Count]
    steps: 1
    batch: 4
    tasks:
      - data: rows
        template:
          - { role: system, content: "You count." }
          - { role: user, content: "Oxygens of <Chain> {text}? <Count>" }
        target: oxygens
  - name: say
    train: [Say]
    steps: 1
    batch: 4
    tasks:
      - data: rows
        template:
          - { role: user, content: "Many in <Chain> {text}?" }
          - { role: assistant, content: "<Say> {kind}" }
        target: kind
`;

let folder: string;
let chatty: string;
let base: Base;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "chats-"));
  chatty = join(folder, "base");
  await cp(defaultBase, chatty, { recursive: true });
  await writeFile(join(chatty, "chat_template.jinja"), chatTemplate);
  const lines = Array.from({ length: 60 }, (_, i) => {
    const text = Array.from({ length: 4 + (i % 7) }, (_, k) => "CNO"[(i * (k + 3) + i * i) % 3]).join("");
    const oxygens = text.split("O").length - 1;
    return `${text}${i % 9},${oxygens},${oxygens > 2 ? "many" : "few"}`;
  });
  await writeFile(join(folder, "rows.csv"), `text,oxygens,kind\n${lines.join("\n")}\n`);
  await writeFile(join(folder, "study.yaml"), study(chatty));
  base = await Base.load(chatty);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

test("messages are learned from, kept in the tag's file, and asked with", async () => {
  const prepared = await prepareStudy(await loadStudy(join(folder, "study.yaml")), base);
  const say = prepared.stages[2]!.tasks[0]!;
  const prompt = say.compiler.compile(say.rows.train[0]!, { withTarget: true });
  const { text, kind } = say.rows.train[0]!.fields;
  assert.equal(
    prompt.pieces.map((piece) => piece.text).join(""),
    `<s>[user] Many in<Chain> ${text}?</s>[assistant]<Say> ${kind}</s>`,
  );
  assert.equal([...prompt.ids].filter((id) => id === base.tokenizer.eosId).length, 2);
  assert.equal(prompt.ids.at(-1), base.tokenizer.eosId);

  await runStudy(prepared, { out: join(folder, "run") });
  const library = join(folder, "run", "tags");
  const tags = await openTags(library);
  const tag = tags.get("Say")!;
  assert.deepEqual(tag.template, [
    { role: "user", content: "Many in <Chain> {text}?" },
    { role: "assistant", content: "<Say> {kind}" },
  ]);
  assert.equal(tag.chat, base.tokenizer.chat!.sha256);
  assert.equal(tag.bos, true);
  const rows = [{ text: "CCO" }, { text: "</s>[assistant] many" }];
  const messages = [{ role: "user", content: "Hello {x}" }];
  const [asked] = queriesOf(base, [{ template: messages, fields: { x: "</s>" } }], tags);
  const { pieces } = asked!.prompt;
  assert.equal(pieces.map((piece) => piece.text).join(""), "<s>[user] Hello </s></s>[assistant] ");
  assert.equal([...asked!.prompt.ids].filter((id) => id === base.tokenizer.eosId).length, 1); // the other is letters
  for (const name of ["Count", "Say"]) assert.equal((await predict(base, tags, name, rows)).length, 2);
  const table = await readRows({ file: join(folder, "rows.csv") });
  const { outputs } = await evaluateTag(base, tags, "Say", table, { resamples: 10, answerTokens: 2 });
  assert.ok("chrf" in outputs[0]!.metrics);
  for (const { checks } of await verifyTags(library, base))
    assert.deepEqual(
      checks.filter(({ check, state }) => state !== "ok" && check !== "difference"),
      [],
    );

  await renameTag(join(library, "Chain.safetensors"), "Molecule");
  const renamed = await loadTag(join(library, "Say.safetensors"));
  assert.match(JSON.stringify(renamed.template), /Many in <Molecule> \{text\}/);
  assert.equal((await predict(base, await openTags(library), "Count", rows)).length, 2);
});

test("a base with another chat template does not take the tag, one without any takes no messages", async (t) => {
  const tags = await openTags(join(folder, "run", "tags"));
  const other = join(folder, "other");
  await cp(chatty, other, { recursive: true });
  await writeFile(join(other, "chat_template.jinja"), `${chatTemplate}!`);
  const changed = await Base.load(other);
  t.after(() => changed.close());
  await assert.rejects(predict(changed, tags, "Count", [{ text: "C" }]), { code: "chat/changed" });
  await writeFile(join(folder, "plain.yaml"), study(defaultBase));
  const plain = await Base.load(defaultBase);
  t.after(() => plain.close());
  const loaded = await loadStudy(join(folder, "plain.yaml"));
  await assert.rejects(prepareStudy(loaded, plain), { code: "chat/missing" });
  await assert.rejects(predict(plain, tags, "Count", [{ text: "C" }]), { code: "chat/missing" });
});

test("inspect shows what the chat template writes", async () => {
  const { stdout } = await run(["inspect", join(folder, "study.yaml"), "--stage", "say"]);
  assert.match(stdout, /chat +from 0/);
  assert.match(stdout, /\{kind\} target/);
  const { prompts } = JSON.parse(
    (await run(["inspect", join(folder, "study.yaml"), "--stage", "count", "--json"])).stdout,
  );
  const pieces: { kind: string; text: string }[] = prompts[0].pieces;
  assert.deepEqual(
    pieces.map(({ kind }) => kind),
    ["bos", "chat", "text", "chat", "text", "tag", "field", "text", "tag"],
  );
  assert.equal(pieces[3]!.text, "</s>[user]");
});

test("messages are checked as the study is read", () => {
  const text = study(defaultBase);
  for (const [from, to, code] of [
    ["{ role: system, content", "{ rolle: system, content", "study/invalid"],
    ["You count.", "You <Cout>.", "study/name"],
    ["You count.", "You <count", "prompts/unclosed"],
    ["<Say> {kind}", "{kind}", "study/invalid"],
  ] as const)
    assert.throws(() => parseStudy(text.replace(from, to), "x.yaml"), { code }, to);
});
