/**
 * Where the time of a training step goes: operator by operator, forward and backward together, from the
 * runtime's own timings of the step benchmark's run.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "../src/engine/engine.ts";
import type { Benchmark, BenchResult } from "./benchmark.ts";
import { describeMachine } from "./machine.ts";
import { prepareStep } from "./random-base.ts";
import { type StepShape, stepShape } from "./step-shape.ts";
import type { Table } from "./table.ts";

interface OperatorTime {
  readonly operator: string;
  /** Nodes of a run. */
  readonly nodes: number;
  /** Milliseconds of a run. */
  readonly milliseconds: number;
}

interface Profile {
  readonly milliseconds: number;
  readonly operators: readonly OperatorTime[];
}

interface BothWays {
  readonly plain: Profile;
  readonly needed: Profile;
}

export const profile: Benchmark = {
  name: "profile",
  about:
    "time by operator of one run of the step (2 rows of 256 tokens, 8 labels each, forward and backward), f32: all of it (--no-reuse), and what is needed of it",
  anyBase: true,
  run: async ({ repeats, note, config }) => {
    const shape = stepShape(config);
    note(`${repeats} runs of each with the runtime's timings on ...`);
    const plain = await profileStep(shape, repeats, true);
    const ours: BothWays = { plain, needed: await profileStep(shape, repeats, false) };
    const result: BenchResult<BothWays> = {
      name: "profile",
      machine: describeMachine(),
      ours,
      peers: {},
      ratios: {},
    };
    return { result, table: profileTable(ours) };
  },
};

async function profileStep(shape: StepShape, repeats: number, plain: boolean): Promise<Profile> {
  const folder = await mkdtemp(join(tmpdir(), "tagllm-profile-"));
  try {
    const { threads, tokensPerRun, length } = shape;
    const engine = await Engine.start({ threads, profilePrefix: join(folder, "run") });
    const step = await prepareStep(engine, { ...shape, rows: tokensPerRun / length }, { plain });
    for (let i = 0; i < repeats + 1; i++) await step();
    await engine.close();
    const files = (await readdir(folder)).filter((name) => name.endsWith(".json"));
    const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
    return summarise(
      texts.flatMap((text) => JSON.parse(text) as Event[]),
      repeats + 1,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Event {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

/** The median run of each node: the first one is slow, and what else the machine does meets single runs. */
function summarise(events: readonly Event[], runs: number): Profile {
  const nodes = new Map<string, { operator: string; times: number[] }>();
  for (const { cat, name, dur, args } of events) {
    if (cat !== "Node" || !args?.op_name || !name.endsWith("_kernel_time")) continue;
    const node = nodes.get(name) ?? { operator: args.op_name, times: [] };
    node.times.push(dur / 1000);
    nodes.set(name, node);
  }
  const sums = new Map<string, { nodes: number; milliseconds: number }>();
  for (const { operator, times } of nodes.values()) {
    const sum = sums.get(operator) ?? { nodes: 0, milliseconds: 0 };
    const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;
    const each = Math.round(times.length / runs);
    sums.set(operator, { nodes: sum.nodes + each, milliseconds: sum.milliseconds + each * median });
  }
  const operators = [...sums]
    .map(([operator, sum]) => ({ operator, ...sum }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
  return { milliseconds: operators.reduce((n, o) => n + o.milliseconds, 0), operators };
}

function profileTable({ plain, needed }: BothWays): Table {
  const names = [...new Set([...plain.operators, ...needed.operators].map(({ operator }) => operator))];
  const cells = ({ milliseconds, operators }: Profile, operator: string): string[] => {
    const own = operators.find((o) => o.operator === operator);
    if (!own) return ["", "", ""];
    const share = (100 * own.milliseconds) / milliseconds;
    return [String(own.nodes), own.milliseconds.toFixed(1), `${share.toFixed(1)} %`];
  };
  const all = ({ milliseconds, operators }: Profile): string[] => [
    String(operators.reduce((n, { nodes }) => n + nodes, 0)),
    milliseconds.toFixed(1),
    "",
  ];
  return [
    ["operator", "nodes, all of it", "ms", "share", "nodes, needed", "ms", "share"],
    ...names.map((name) => [name, ...cells(plain, name), ...cells(needed, name)]),
    ["all", ...all(plain), ...all(needed)],
  ];
}
