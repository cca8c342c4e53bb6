/** More texts than a call may have arguments begin to be written, with and without fixed shapes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Layout } from "../../src/batch/layout.ts";
import type { Runner } from "../../src/batch/runner.ts";
import { decode, type Text } from "../../src/generate/decode.ts";

const reached = new Error("the engine was reached");
const layout = { past: [], fresh: new Int32Array(4), whole: new Int32Array(4) } as unknown as Layout;
const texts = new Array<Text>(200_000).fill({ writer: { tips: 1 } } as unknown as Text);

for (const fixedShapes of [false, true]) {
  test(`fixed shapes: ${fixedShapes}`, async () => {
    const runner = {
      options: { fixedShapes },
      layouts: () => texts.map(() => layout),
      get base() {
        throw reached;
      },
    } as unknown as Runner;
    await assert.rejects(decode(runner, texts, 4).next(), reached);
  });
}
