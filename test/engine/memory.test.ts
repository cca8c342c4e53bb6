/** Frozen weights are held once whatever the number of programs, and programs do not pile up memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Base } from "../../src/models/base.ts";
import { buildProgram, type ProgramSpec } from "../../src/models/program.ts";
import { polyglotFolder } from "../support/goldens.ts";
import { randomFeeds } from "../support/tiny-llama.ts";

const PROGRAMS = 10;
const MB = 2 ** 20;

function residentBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage.rss();
}

test(`${PROGRAMS} training programs over one base`, async (t) => {
  const base = await Base.load(polyglotFolder);
  try {
    const { weightBytes } = await base.engine.stats();
    const numbers = [...base.architecture.tensors.values()].map((shape) => shape.reduce((n, d) => n * d, 1));
    assert.equal(weightBytes, 4 * numbers.reduce((n, x) => n + x, 0), "every tensor once, in f32");
    const resident = [residentBytes()];
    for (let i = 0; i < PROGRAMS; i++) {
      const result = { kind: "text", train: true } as const;
      const spec: ProgramSpec = { batch: 1, length: 32 + 8 * i, past: [], slots: 10, reads: 8, result };
      await base.run(spec, randomFeeds(base.architecture, buildProgram(base.architecture, spec), spec, i));
      resident.push(residentBytes());
      assert.equal((await base.engine.stats()).weightBytes, weightBytes);
    }
    assert.equal((await base.engine.stats()).programs, PROGRAMS);
    // The first program brings code and buffers that all use.
    const [, first, last] = [resident[0], resident[1], resident.at(-1)] as [number, number, number];
    const each = (last - first) / (PROGRAMS - 1);
    t.diagnostic(
      `weights ${(weightBytes / MB).toFixed(1)} MB; process ${resident.map((r) => (r / MB).toFixed(0)).join(" ")} MB; ` +
        `each further program ${(each / MB).toFixed(1)} MB`,
    );
    assert.ok(
      each < weightBytes / 2,
      `a program adds ${each} bytes; a copy of the weights would be ${weightBytes}`,
    );
  } finally {
    await base.close();
  }
});
