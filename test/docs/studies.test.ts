/** Every study in examples/ fits the schema, and the JSON Schema for editors knows the keys it uses. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadStudy } from "../../src/study/load.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const studies = readdirSync(join(root, "examples"), { recursive: true, encoding: "utf8" }).filter((path) =>
  path.endsWith(".yaml"),
);

test("there are examples", () => assert.ok(studies.length > 0));

for (const path of studies) {
  test(`examples/${path} can be loaded`, async () => {
    const { study } = await loadStudy(join(root, "examples", path));
    assert.ok(study.stages.length > 0);
  });
}

test("the JSON Schema has the study's keys and refuses others", () => {
  const schema = JSON.parse(readFileSync(join(root, "schemas", "study.schema.json"), "utf8")) as {
    properties: object;
    required: string[];
    additionalProperties: boolean;
  };
  assert.deepEqual(schema.required, ["name", "data", "tags", "stages"]);
  assert.equal(schema.additionalProperties, false);
  assert.ok(["base", "seeds", "maxTokens"].every((key) => key in schema.properties));
});
