/** What the study schema takes and refuses where YAML or a file system would read a value in another way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseStudy } from "../../src/study/load.ts";
import { onlyInCase } from "../../src/study/schema.ts";

const good = `
name: sample
data:
  rows: { file: rows.csv }
tags:
  Text: { kind: domain }
  Other: { kind: domain }
stages:
  - { name: one, train: [Text], tasks: [{ data: rows, template: "<Text> {text}" }] }
  - { name: two, train: [Other], tasks: [{ data: rows, template: "<Other> {text}" }] }
`;

const folded = (values: string) =>
  good.replace("file: rows.csv", `file: rows.csv, split: { fold: { column: fold, test: ${values} } }`);

test("whole numbers are values of a fold, as text", () => {
  const { split } = parseStudy(folded("[1, b, -3]"), "study.yaml").data.rows!;
  assert.deepEqual(split.fold, { column: "fold", test: ["1", "b", "-3"] });
});

for (const values of ["[1.5]", "[true]", "[12345678901234567890]"]) {
  test(`refused as values of a fold: ${values}`, () => {
    assert.throws(() => parseStudy(folded(values), "study.yaml"), {
      code: "study/invalid",
      message: /fold\.test\.0 \(line 4\): a value of the column: text, in quotes, or a whole number/,
    });
  });
}

test("names that would be one file where capital letters do not count are refused", () => {
  const refused = (text: string, message: RegExp) =>
    assert.throws(() => parseStudy(text, "study.yaml"), { code: "study/invalid", message });
  refused(
    good.replaceAll("Other", "TEXT"),
    /tags \(line 6\): the names Text and TEXT differ only in capital/,
  );
  refused(good.replace("name: two", "name: One"), /stages \(line \d+\): the names one and One differ only/);
  assert.equal(Object.keys(parseStudy(good, "study.yaml").tags).length, 2);
  assert.equal(onlyInCase(["a", "b", "a"]), undefined);
});
