/** Bad inputs to the command line, each in a process of its own: refused in words, with nothing left behind. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandCases } from "./commands/all.ts";
import { attempt } from "./commands/attempt.ts";
import { categories } from "./commands/case.ts";
import { makeWorld, type World } from "./commands/world.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const program = [process.execPath, "--import", import.meta.resolve("tsx"), main];

describe("bad inputs to the command line", { concurrency: 2 }, () => {
  let world: World;
  before(async () => {
    world = await makeWorld();
  });
  after(() => world.close());
  for (const attack of commandCases) {
    test(`${attack.category}: ${attack.name}`, async () => {
      const { fault, message } = await attempt(attack, world, program);
      assert.equal(fault, null, message);
    });
  }
});

test("every category has at least eight, every one its own name", () => {
  for (const category of categories)
    assert.ok(commandCases.filter((c) => c.category === category).length >= 8, category);
  assert.ok(commandCases.length >= 80, String(commandCases.length));
  assert.equal(new Set(commandCases.map((c) => `${c.category}: ${c.name}`)).size, commandCases.length);
});
