/** `tagllm generate --chat`: the base's chat template writes around what the user says. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { generate } from "../../src/generate/generate.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { run } from "./command.ts";

/** Writes what a plain prompt can say too, so that both must get the same answer. */
const chatTemplate =
  "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

let chatty: string;
before(async () => {
  chatty = join(await mkdtemp(join(tmpdir(), "tagllm-chat-")), "base");
  await cp(defaultBase, chatty, { recursive: true });
  await writeFile(join(chatty, "chat_template.jinja"), chatTemplate);
});
after(() => rm(dirname(chatty), { recursive: true }));

test("messages are what the chat template makes of them, and nothing in a plain one is a tag or a field", async () => {
  const base = await Base.load(chatty);
  try {
    const options = { maxTokens: 12, bos: false };
    const fields = { what: "{c}" };
    const [chat, plain, asked, same] = await generate(
      base,
      [
        { messages: [{ role: "user", content: "Say <b> {c} \\ again" }] },
        "user: Say <b> {c} \\ again\nassistant:",
        { template: [{ role: "user", content: "Say \\<b\\> {what} \\\\ again" }], fields },
        { template: "user: Say \\<b\\> {what} \\\\ again\nassistant:", fields },
      ],
      options,
    );
    assert.deepEqual([chat?.text, asked?.text], [plain?.text, same?.text]);
    assert.notEqual(chat?.text, "");
  } finally {
    await base.close();
  }
});

test("--chat and --system say the same as messages in the library", async () => {
  const words = ["generate", "--base", chatty, "--max-tokens", "8", "--prompt", "And God said"];
  const plain = await run([...words, "--chat"]);
  assert.equal(plain.code, 0, plain.stderr);
  const told = await run([...words, "--chat", "--system", "In the beginning God created"]);
  assert.equal(told.code, 0, told.stderr);
  const base = await Base.load(chatty);
  try {
    const user = { role: "user", content: "And God said" };
    const system = { role: "system", content: "In the beginning God created" };
    const [first, second] = await generate(base, [{ messages: [user] }, { messages: [system, user] }], {
      maxTokens: 8,
      fixedShapes: true,
    });
    assert.deepEqual([plain.stdout, told.stdout], [`${first?.text}\n`, `${second?.text}\n`]);
  } finally {
    await base.close();
  }
});

test("a base without a chat template, and a system message without a chat, are refused", async () => {
  const words = ["generate", "--max-tokens", "8", "--prompt", "And God said"];
  const without = await run([...words, "--chat"]);
  assert.equal(without.code, 1);
  assert.match(without.stderr, /chat\/missing/);
  const alone = await run([...words, "--system", "Be brief."]);
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /--system with --chat/);
});

test("a text ends with the token that ends messages, as training and predict have it, if the base ends texts otherwise", async () => {
  const prompt = { messages: [{ role: "user", content: "And God said" }] };
  const written = async (folder: string) => {
    const base = await Base.load(folder, { threads: 1 });
    try {
      const [text] = await generate(base, [prompt], { maxTokens: 6 });
      return { ids: text?.ids ?? [], finish: text?.finish };
    } finally {
      await base.close();
    }
  };
  const plain = await written(chatty);
  assert.deepEqual([plain.ids.length, plain.finish], [6, "length"]);

  // A token that it writes becomes a control token. Prompts that have it are read otherwise then, so not every one does.
  const folder = join(dirname(chatty), "ending");
  const files = await readFile(join(chatty, "tokenizer.json"), "utf8");
  const vocab = Object.entries(JSON.parse(files).model.vocab as Record<string, number>);
  let tried = 0;
  for (const id of new Set(plain.ids)) {
    const [content] = vocab.find(([, own]) => own === id) as [string, number];
    if ([...content].length === 1) continue; // a byte
    const tokenizer = JSON.parse(files);
    tokenizer.added_tokens.push({ id, content, special: true, normalized: false });
    await cp(chatty, folder, { recursive: true });
    await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
    const { ids } = await written(folder);
    const at = ids.indexOf(id);
    if (at < 1) continue;
    // With which the chat template ends what the assistant says.
    const ended = `{{ message.content + ("${content}" if message.role == "assistant" else "") }}`;
    await writeFile(
      join(folder, "chat_template.jinja"),
      chatTemplate.replace("{{ message.content }}", ended),
    );
    assert.deepEqual(await written(folder), { ids: ids.slice(0, at), finish: "eos" });
    tried++;
  }
  assert.ok(tried > 0);
});
