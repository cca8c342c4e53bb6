/** Seeds that use the same domain tags use the same stored keys and values, and get the tags they get alone. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { loadTag } from "../../src/tags/file.ts";
import { smallStudy } from "../support/small-study.ts";

test("a second seed stores nothing again where the domain tags come from files", async (t) => {
  const base = await Base.load(defaultBase);
  const folder = await mkdtemp(join(tmpdir(), "tagllm-blocks-"));
  t.after(async () => {
    await base.close();
    await rm(folder, { recursive: true });
  });
  const text = await readFile(await smallStudy(folder), "utf8");
  const run = async (name: string, study: string): Promise<{ out: string; stored: string[] }> => {
    const file = join(folder, `${name}.yaml`);
    await writeFile(file, study);
    const stored: string[] = [];
    let seed = "";
    const real = base.run.bind(base);
    const spy = t.mock.method(base, "run", (...[spec, ...rest]: Parameters<Base["run"]>) => {
      if (spec.result.kind === "keys") stored.push(seed);
      return real(spec, ...rest);
    });
    const out = join(folder, name);
    await runStudy(await prepareStudy(await loadStudy(file), base), {
      out,
      onEvent: (e) => {
        if (e.kind === "stage-begin") seed = `seed ${e.seed}`;
      },
    });
    spy.mock.restore();
    return { out, stored };
  };
  const trained = await run("trained", text);
  assert.deepEqual(new Set(trained.stored), new Set(["seed 1", "seed 2"]));

  const [head, stages] = text.split("stages:\n") as [string, string];
  const given = head.replace("length: 3 }", "length: 3, from: trained/seed-1/tags/Chain.safetensors }");
  const fixed = `${given}stages:\n  - name: count${stages.split("  - name: count")[1]}`;
  const both = await run("both", fixed);
  assert.deepEqual(new Set(both.stored), new Set(["seed 1"]));
  const alone = await run("alone", fixed.replace("seeds: [1, 2]", "seeds: [2]"));
  const tagOf = async (out: string) => loadTag(join(out, "seed-2", "tags", "Count.safetensors"));
  const [one, other] = [await tagOf(both.out), await tagOf(alone.out)];
  assert.deepEqual(one.vectors, other.vectors);
  assert.deepEqual(one.head, other.head);
});
