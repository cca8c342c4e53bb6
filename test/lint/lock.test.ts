/** package-lock.json names the packages of all platforms, or `npm ci` refuses on a clean clone. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/docs.ts";

interface Entry {
  version?: string;
  optionalDependencies?: Record<string, string>;
}

test("every optional package of a locked package is locked", () => {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Entry>;
  };
  const optional = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
    Object.entries(optionalDependencies),
  );
  assert.ok(optional.length > 0);
  const missing = optional.filter(([name, version]) => packages[`node_modules/${name}`]?.version !== version);
  assert.deepEqual(missing, [], "run `node scripts/lock.mjs` and commit package-lock.json");
});
