/** Hostile tag files: the right code, a message that names what is wrong, and nothing left in the folder. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { tagCases } from "./cases/tags.ts";

for (const { name, code, shows, run } of tagCases) {
  test(`${code}: ${name}`, async () => {
    const dir = await mkdtemp(join(tmpdir(), "tagllm-hostile-"));
    try {
      await assert.rejects(run(dir), (error) => {
        assert.ok(error instanceof TagllmError, String(error));
        assert.equal(error.code, code, error.message);
        assert.ok(error.message.includes(shows), error.message);
        assert.ok(error.message.length < 600 && error.cure !== "", error.message);
        return true;
      });
      assert.deepEqual(
        (await readdir(dir)).filter((file) => file.endsWith(".tmp")),
        [],
      );
    } finally {
      await rm(dir, { recursive: true });
    }
  });
}
