/** One test per model golden: its errors within tolerance, the largest reported. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { type Checked, checkModel, type ModelGolden } from "./goldens.ts";

export function testModelGoldens(model: ModelGolden): void {
  test(model.name, async (t) => {
    if (!existsSync(model.folder)) return t.skip(`needs ${model.folder}`);
    const checked = await checkModel(model);
    assert.ok(checked.length >= 8, `only ${checked.length} numbers compared`);
    assertWithin(checked);
    const worst = checked.reduce((a, b) => (b.error > a.error ? b : a));
    t.diagnostic(`${checked.length} tensors, worst ${worst.name} ${worst.error.toExponential(1)}`);
  });
}

export function assertWithin(checked: readonly Checked[]): void {
  const off = checked.filter(({ error, tolerance }) => !(error <= tolerance));
  assert.deepEqual(
    off.map(({ name, error, tolerance }) => `${name}: ${error.toExponential(1)} > ${tolerance}`),
    [],
  );
}
