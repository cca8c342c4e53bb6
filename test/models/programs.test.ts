/** A base's programs are compiled once for each shape, and those used longest ago make room for new ones. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Engine, Feed } from "../../src/engine/engine.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram, type ProgramSpec } from "../../src/models/program.ts";
import { Programs, programLimit } from "../../src/models/programs.ts";
import { randomFeeds, startTinyBase, tinyLlama } from "../support/tiny-llama.ts";

const architecture = readArchitecture(tinyLlama);
const spec = (length: number): ProgramSpec => ({
  batch: 1,
  length,
  past: [],
  slots: 2,
  reads: 2,
  result: { kind: "hidden" },
});
const feedsOf = (length: number): Record<string, Feed> =>
  randomFeeds(architecture, buildProgram(architecture, spec(length)), spec(length), length);

describe("programs", () => {
  let engine: Engine;
  let compiled: number[] = [];
  before(async () => {
    engine = (await startTinyBase(1)).engine;
  });
  after(() => engine.close());

  const start = (limit: number): Programs => {
    compiled = [];
    return new Programs(async (asked) => {
      compiled.push(asked.length);
      return engine.compile(buildProgram(architecture, asked));
    }, limit);
  };
  const run = async (programs: Programs, length: number): Promise<Float32Array> =>
    (await programs.run(spec(length), feedsOf(length))).hidden as Float32Array;

  test("the one used longest ago makes room, and comes back with the same numbers", async () => {
    const programs = start(2);
    const first = await run(programs, 4);
    await run(programs, 5);
    await run(programs, 4);
    await run(programs, 6);
    assert.deepEqual(compiled, [4, 5, 6]);
    assert.equal((await engine.stats()).programs, 2);
    await run(programs, 4);
    assert.deepEqual(compiled, [4, 5, 6], "used before 6 was asked for");
    await run(programs, 5);
    await run(programs, 6);
    assert.deepEqual(await run(programs, 4), first);
    assert.deepEqual(compiled, [4, 5, 6, 5, 6, 4]);
    assert.equal((await engine.stats()).programs, 2);
  });

  test("one that runs stays, whatever is asked for meanwhile", async () => {
    const programs = start(1);
    const lengths = [4, 5, 6, 7, 4, 5];
    const alone = await Promise.all(lengths.map((length) => run(start(9), length)));
    const before = (await engine.stats()).programs;
    const together = start(1);
    assert.deepEqual(await Promise.all(lengths.map((length) => run(together, length))), alone);
    assert.deepEqual(compiled, [4, 5, 6, 7], "once each, though they were asked for at once");
    await run(together, 8);
    assert.equal((await engine.stats()).programs, before + 1);
    await run(programs, 4);
  });

  test("one that cannot be dropped keeps neither the others nor the next from their turn", async () => {
    const dropped: number[] = [];
    const programs = new Programs(async ({ length }) => {
      const program = await engine.compile(buildProgram(architecture, spec(length)));
      const drop = async (): Promise<void> => {
        dropped.push(length);
        await program.drop();
        if (length === 4) throw new Error("no");
      };
      return { ...program, drop };
    }, 2);
    const before = (await engine.stats()).programs;
    await Promise.all([4, 5, 6].map((length) => run(programs, length)));
    assert.ok((await run(programs, 7)).length > 0);
    assert.deepEqual(dropped, [4, 5]);
    assert.equal((await engine.stats()).programs, before + 2);
  });

  test("copies of weights are bounded in bytes; programs without any stay", async () => {
    const dropped: number[] = [];
    const programs = new Programs(
      async ({ length }) => {
        const program = await engine.compile(buildProgram(architecture, spec(length)));
        const drop = (): Promise<void> => {
          dropped.push(length);
          return program.drop();
        };
        return { ...program, drop, copiedBytes: length === 5 ? 0 : length };
      },
      9,
      15,
    );
    for (const length of [4, 5, 6, 7]) await run(programs, length);
    assert.deepEqual(dropped, [], "17 bytes are known only when the last is there");
    await run(programs, 8);
    assert.deepEqual(dropped, [4]);
    await run(programs, 30);
    assert.deepEqual(dropped, [4, 6]);
    await run(programs, 9);
    assert.deepEqual(dropped, [4, 6], "as much as twice the largest is held");
  });

  test("a machine of many cores holds fewer programs, as each has its threads", () => {
    assert.equal(programLimit(6, 2), 682);
    assert.equal(programLimit(30, 2), 136);
    assert.equal(programLimit(6, 64), 32);
    assert.equal(programLimit(6, 1024), 8);
  });

  test("one that could not be compiled is tried again", async () => {
    let broken = true;
    const programs = new Programs(async (asked) => {
      if (broken) throw new Error("no");
      return engine.compile(buildProgram(architecture, asked));
    }, 1);
    await assert.rejects(run(programs, 4), /no/);
    broken = false;
    assert.ok((await run(programs, 4)).length > 0);
  });
});
