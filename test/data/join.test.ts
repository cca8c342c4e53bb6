/** Joins: an empty key is the key of no row, on neither side. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readRows } from "../../src/data/source.ts";
import { file } from "./folder.ts";

test("a row without a key is not paired with one without a key: it is missing", async () => {
  const pairs = file("keyless.csv", "drug,pkd\nd1,7\n,5\n");
  const drugs = file("keyless-drugs.csv", "drug,smiles\n,CCC\nd1,CCO\n,CCN\n");
  const table = await readRows({ file: pairs, join: [{ file: drugs, on: "drug", missing: "drop" }] });
  assert.deepEqual(table.rows, [{ drug: "d1", pkd: "7", smiles: "CCO" }]);
  assert.deepEqual(table.dropped, [{ reason: `no drug in ${drugs}`, rows: [1] }]);
  await assert.rejects(readRows({ file: pairs, join: [{ file: drugs, on: "drug" }] }), {
    code: "data/join",
    message: /data row 1 has drug "", and an empty key matches no row of .*missing: drop/s,
  });
});

test("a key of several fields is empty where one of them is", async () => {
  const pairs = file("half.csv", "drug,batch,pkd\nd1,a,7\nd1,,5\n");
  const drugs = file("half-drugs.csv", "drug,batch,smiles\nd1,a,CCO\nd1,,CCN\nd1,,CCS\n");
  const on = ["drug", "batch"];
  const table = await readRows({ file: pairs, join: [{ file: drugs, on, missing: "drop" }] });
  assert.deepEqual(
    table.rows.map((row) => row.smiles),
    ["CCO"],
  );
});

test("a joined file of which no row has a key matches nothing", async () => {
  const pairs = file("some.csv", "drug,pkd\nd1,7\n");
  const drugs = file("none.csv", "drug,smiles\n,CCO\n,CCN\n");
  await assert.rejects(readRows({ file: pairs, join: [{ file: drugs, on: "drug" }] }), {
    code: "data/join",
    message: /has drug "d1", which .* does not have/,
  });
});
