/** Hostile templates and rows: the right code, and a short message that names what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { promptCases } from "./cases/prompts.ts";

for (const { name, code, shows, run } of promptCases) {
  test(`${code}: ${name}`, async () => {
    await assert.rejects(run("."), (error) => {
      assert.ok(error instanceof TagllmError, String(error));
      assert.equal(error.code, code);
      assert.ok(error.message.includes(shows), error.message);
      assert.ok(error.message.length < 600 && error.cure !== "", error.message);
      return true;
    });
  });
}
