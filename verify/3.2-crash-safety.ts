/** Point 3.2: killed at any moment a run goes on to the same bits; 10,000 steps take no more memory than 1,000. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../src/cli/progress.ts";
import { Base } from "../src/models/base.ts";
import { defaultBase } from "../src/models/default-base.ts";
import { loadStudy } from "../src/study/load.ts";
import { prepareStudy } from "../src/study/prepare.ts";
import { runStudy } from "../src/study/run.ts";
import { tagHashes, trainProcess } from "../test/support/kills.ts";
import { Random } from "../test/support/random.ts";
import { smallStudy } from "../test/support/small-study.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { root } from "./studies.ts";

const KILLS = 24;
const PER_RUN = 4;
const SEED = 2026;
const SOAK_STEPS = 10_000;
/** Growth of the resident set from a tenth of the soak to its end. */
const MOST_GROWTH = 0.05;

const insideWrites = [
  "run.json:half:1",
  "checkpoint:half:3",
  "checkpoint:before:7",
  "checkpoint:after:11",
  "Chain.safetensors:half:1",
  "Count.safetensors:half:1",
  "count:before:1",
  "count:after:1",
  "Chain.safetensors:before:2",
  "report.json:before:1",
];

export const crashSafety: Point = {
  id: "3.2",
  asked: `Killed with SIGKILL at ${KILLS} seeded random times and inside ${insideWrites.length} writes (checkpoint, stage, tag, report), the same command goes on to the same sha256 of every tag; ${SOAK_STEPS} steps with flat memory.`,
  needs: [],
  async run({ progress, folder }) {
    const home = await folder();
    const checks = [
      ...(await killed(join(home, "kills"), progress)),
      await soak(join(home, "soak"), progress),
    ];
    return { measured: checkLines(checks), pass: allPass(checks) };
  },
};

async function killed(home: string, progress: Progress): Promise<Check[]> {
  await mkdir(home, { recursive: true });
  const study = await smallStudy(home, 40);
  const whole = await trainProcess(study, join(home, "whole"));
  if (whole.code !== 0) throw new Error(whole.stderr);
  const expected = JSON.stringify(await tagHashes(join(home, "whole")));
  const random = new Random(SEED);
  const different: string[] = [];
  const finish = async (out: string, name: string) => {
    const last = await trainProcess(study, out);
    if (last.code !== 0) different.push(`${name}: ended with ${last.code}`);
    else if (JSON.stringify(await tagHashes(out)) !== expected) different.push(name);
  };
  let kills = 0;
  for (let run = 0; kills < KILLS; run++) {
    const out = join(home, `random-${run}`);
    for (let i = 0; i < PER_RUN; i++) {
      const { signal } = await trainProcess(study, out, { after: random.int(300, whole.seconds * 1000) });
      if (signal !== "SIGKILL") break;
      kills++;
      progress.note(`kill ${kills} of ${KILLS}`);
    }
    await finish(out, `random ${run}`);
  }
  for (const inside of insideWrites) {
    const out = join(home, inside.replaceAll(":", "-"));
    const { signal } = await trainProcess(study, out, { inside });
    if (signal !== "SIGKILL") different.push(`${inside}: was not killed`);
    else await finish(out, inside);
  }
  return [
    {
      what: `${kills} kills at random times and ${insideWrites.length} inside writes: every tag file as without a kill`,
      found: different.length ? different.join("; ") : "all equal",
      pass: different.length === 0,
    },
  ];
}

async function soak(home: string, progress: Progress): Promise<Check> {
  await mkdir(home, { recursive: true });
  const study = await smallStudy(home, SOAK_STEPS);
  const base = await Base.load(defaultBase);
  const curve: { step: number; megabytes: number }[] = [];
  try {
    const loaded = await loadStudy(study);
    const one = { ...loaded, study: { ...loaded.study, seeds: [1] } };
    await runStudy(await prepareStudy(one, base), {
      out: join(home, "run"),
      onEvent: (event) => {
        if (event.kind !== "step" || event.stage !== "count" || event.step % (SOAK_STEPS / 40) !== 0) return;
        curve.push({ step: event.step, megabytes: process.memoryUsage.rss() / 1e6 });
        progress.update(`step ${event.step} of ${SOAK_STEPS}`);
      },
    });
  } finally {
    await base.close();
  }
  const early = Math.max(...curve.slice(0, 4).map((p) => p.megabytes));
  const late = Math.max(...curve.slice(-4).map((p) => p.megabytes));
  await writeFile(join(root, "docs", "memory.md"), memoryPage(curve));
  return {
    what: `${SOAK_STEPS} steps: resident set at the end at most ${MOST_GROWTH * 100} % above the first tenth`,
    found: `${early.toFixed(0)} MB, then ${late.toFixed(0)} MB (docs/memory.md)`,
    pass: late < early * (1 + MOST_GROWTH),
  };
}

function memoryPage(curve: readonly { step: number; megabytes: number }[]): string {
  const rows = curve.map(({ step, megabytes }) => `| ${step} | ${megabytes.toFixed(0)} |`);
  return `# Memory of a long training

Resident set of the whole process during one stage of ${SOAK_STEPS} steps (a number, polyglot-5m, 80 rows, batch 8, validation every 5 steps). Written by \`npm run verify -- 3.2\`.

| step | MB |
|---:|---:|
${rows.join("\n")}
`;
}
