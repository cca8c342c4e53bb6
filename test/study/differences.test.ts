/** What differs between two runs' settings is found wherever it stands, and shown where it does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { differences } from "../../src/study/differences.ts";

test("long values that differ in their last word differ, and that word is shown", () => {
  const template = `${"The molecule is <SMILES> {smiles}. ".repeat(6)}The solubility is`;
  assert.ok(template.length > 200);
  const of = (word: string) => ({ stages: [{ template: `${template} ${word}` }] });
  const [found, ...more] = differences(of("<High>"), of("<Low>"));
  assert.deepEqual(more, []);
  assert.equal(found?.key, "stages.0.template");
  assert.match(found?.before ?? "", /^\.\.\..* is <High>"$/);
  assert.match(found?.after ?? "", /^\.\.\..* is <Low>"$/);
  assert.ok(Math.max(found?.before.length ?? 0, found?.after.length ?? 0) <= 120);
  assert.deepEqual(differences(of("<Low>"), of("<Low>")), []);
});

test("a long value that differs at its beginning is shown from there, a short one whole", () => {
  const long = "x".repeat(300);
  const [found] = differences({ a: `1${long}` }, { a: `2${long}` });
  assert.match(found?.before ?? "", /^"1x+\.\.\.$/);
  assert.deepEqual(differences({ a: 1 }, {}), [{ key: "a", before: "1", after: "nothing" }]);
});
