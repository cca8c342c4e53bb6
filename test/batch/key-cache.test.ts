/** What a cache of keys and values reserves goes with it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyCache } from "../../src/batch/key-cache.ts";
import { startTinyBase } from "../support/tiny-llama.ts";

test("a cache that could not be made whole leaves nothing behind", async (t) => {
  const base = await startTinyBase(1);
  t.after(() => base.close());
  const residents = async () => (await base.engine.stats()).residents;
  const cache = new KeyCache(base, 2);
  await assert.rejects(cache.arrange([null], [4, 2 ** 50]));
  assert.ok((await residents()) > 0, "the first block was reserved");
  await cache.close();
  assert.equal(await residents(), 0);
});
