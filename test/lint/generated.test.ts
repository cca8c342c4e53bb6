/** What is generated from code is what `npm run docs` would write now. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generated, root } from "../../scripts/docs.ts";

for (const [path, text] of Object.entries(generated())) {
  test(`${path} is up to date`, () => {
    assert.ok(readFileSync(join(root, path), "utf8") === text, "run `npm run docs`");
  });
}
