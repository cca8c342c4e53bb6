/** package-lock.json names the packages of all platforms, or `npm ci` refuses on a clean clone. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/docs.ts";

test("every optional package of a locked package is locked", () => {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  const optional = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  assert.ok(optional.length > 0);
  const missing = optional.filter((name) => !(`node_modules/${name}` in packages));
  assert.deepEqual(missing, [], "run `node scripts/lock.mjs` and commit package-lock.json");
});
