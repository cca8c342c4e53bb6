/** The header parser against JSON.parse: it must accept what the format allows and refuse all else, never hang. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { checkLayout, parseHeader } from "../../src/weights/header.ts";
import fc from "../support/properties.ts";

const entry = fc.record({
  dtype: fc.constantFrom("F32", "BF16", "I64"),
  shape: fc.array(fc.nat(9), { maxLength: 4 }),
  data_offsets: fc.tuple(fc.nat(99), fc.nat(99)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]),
});
const name = fc.string({ unit: "binary" }).filter((text) => text !== "__metadata__");
const blanks = fc.constantFrom("", " ", "\n\t", "\r\n");

test("headers of any names and spacing read as JSON.parse reads them", () => {
  fc.assert(
    fc.property(
      fc.dictionary(name, entry),
      fc.dictionary(fc.string(), fc.string()),
      blanks,
      (tensors, metadata, blank) => {
        const header = { __metadata__: metadata, ...tensors };
        const text = JSON.stringify(header, null, blank.length) + blank;
        const parsed = parseHeader(text, "f");
        const again = parsed.tensors.map(({ name, dtype, shape, begin, end }): [string, unknown] => [
          name,
          { dtype, shape, data_offsets: [begin, end] },
        ]);
        assert.equal(
          JSON.stringify({ __metadata__: parsed.metadata, ...Object.fromEntries(again) }),
          JSON.stringify(header),
        );
      },
    ),
  );
});

test("a header with one character changed is read or refused, and read only when it is JSON", () => {
  const valid = '{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}';
  const character = fc.oneof(
    fc.constantFrom(...'{}[]",:\\0129-.eE "'),
    fc.string({ minLength: 0, maxLength: 1 }),
  );
  fc.assert(
    fc.property(fc.nat(valid.length - 1), character, (at, replacement) => {
      const text = valid.slice(0, at) + replacement + valid.slice(at + 1);
      try {
        const { tensors } = parseHeader(text, "f");
        checkLayout(tensors, 24, "f");
      } catch (error) {
        assert.ok(error instanceof TagllmError, String(error));
        return;
      }
      assert.doesNotThrow(() => JSON.parse(text), text);
    }),
    { numRuns: 2000 },
  );
});

test("a long run of backslashes, quotes or braces is refused quickly", () => {
  for (const part of ["\\", '\\"', "{", "[", '{"a":', "9", " "]) {
    const text = `{"${part === "\\" || part === '\\"' ? "" : '":'}${part.repeat(1_000_000)}`;
    const started = performance.now();
    assert.throws(() => parseHeader(text, "f"), TagllmError);
    assert.ok(performance.now() - started < 500, `${part}: ${performance.now() - started} ms`);
  }
});
