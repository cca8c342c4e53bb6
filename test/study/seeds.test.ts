/** A seed counts once: the same run twice would show no spread and too narrow intervals. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { parseStudy } from "../../src/study/load.ts";

const study = (seeds: string) => `name: small
seeds: ${seeds}
data: { rows: { file: rows.csv } }
tags: { Text: { kind: domain } }
stages: [{ name: text, train: [Text], tasks: [{ data: rows, template: "<Text> {text}" }] }]
`;

test("a seed that is given twice is refused by its value", () => {
  assert.deepEqual(parseStudy(study("[3, 0, 1]"), "s.yaml").seeds, [3, 0, 1]);
  for (const [seeds, twice] of [
    ["[1, 1]", 1],
    ["[0, 7, 2, 7, 0]", 7],
  ] as const) {
    assert.throws(
      () => parseStudy(study(seeds), "s.yaml"),
      (e) => {
        assert.ok(e instanceof TagllmError);
        assert.equal(e.code, "study/invalid");
        assert.match(e.problem, new RegExp(`seeds \\(line 2\\): the seed ${twice} is there twice`));
        return true;
      },
    );
  }
});
