/** An isolated span's keys and values depend on the span alone, stored or through the mask. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { polyglotFolder } from "../support/goldens.ts";
import { type IsolationNumbers, measureIsolation } from "../support/isolation.ts";

describe("isolation", () => {
  let base: Base;
  let numbers: IsolationNumbers;
  before(async () => {
    base = await Base.load(polyglotFolder);
    numbers = await measureIsolation(base);
  });
  after(() => base.close());

  test("a stored span is bit-equal whatever stood before it", (t) => {
    assert.equal(numbers.storedDiffering, 0);
    assert.ok(numbers.storedInBatch < 1e-5, String(numbers.storedInBatch));
    t.diagnostic(
      `${numbers.compared} numbers; computed in a batch ${numbers.storedInBatch.toExponential(1)}`,
    );
  });

  test("through the full mask it is bit-equal at the same slot and 1e-5 elsewhere", (t) => {
    assert.equal(numbers.sameSlotDiffering, 0);
    assert.ok(numbers.otherSlots < 1e-5, String(numbers.otherSlots));
    t.diagnostic(`other slots ${numbers.otherSlots.toExponential(1)}`);
  });

  test("later text gets the same from a stored span as through the mask", (t) => {
    assert.ok(numbers.readOut < 1e-5, String(numbers.readOut));
    t.diagnostic(`read-outs ${numbers.readOut.toExponential(1)}`);
  });

  test("without isolation the text before a span is seen", (t) => {
    assert.ok(numbers.withoutIsolation > 1e-2, String(numbers.withoutIsolation));
    t.diagnostic(`keys and values change by ${numbers.withoutIsolation.toFixed(2)}`);
  });
});
