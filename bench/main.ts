/**
 * Benchmarks by name.
 *
 *     npm run bench -- step [--base NAME] [--repeats N] [--json | --markdown]
 *
 * The result goes to stdout, what is going on to stderr. Without a name it lists what there is.
 */
import { parseArgs } from "node:util";
import { bases, defaultBaseName } from "./bases.ts";
import type { Benchmark } from "./benchmark.ts";
import { decode } from "./decode.ts";
import { functionEpoch } from "./function-epoch.ts";
import { load } from "./load.ts";
import { machineText } from "./machine.ts";
import { memory } from "./memory.ts";
import { profile } from "./profile.ts";
import { scaling } from "./scaling.ts";
import { screen } from "./screen.ts";
import { stage1 } from "./stage1.ts";
import { step } from "./step.ts";
import { markdownTable, textTable } from "./table.ts";
import { weightBits } from "./weight-bits.ts";

const benchmarks: readonly Benchmark[] = [
  step,
  stage1,
  functionEpoch,
  screen,
  memory,
  scaling,
  decode,
  load,
  weightBits,
  profile,
];
const REPEATS = 7;

async function main(words: readonly string[]): Promise<number> {
  const { name, base, repeats, json, markdown } = readWords(words);
  if (name === undefined) {
    console.log(list());
    return 0;
  }
  const benchmark = benchmarks.find((b) => b.name === name);
  if (!benchmark) throw new UsageError(`There is no benchmark ${JSON.stringify(name)}.`);
  if (base !== undefined && !benchmark.anyBase)
    throw new UsageError(`${name} runs at the sizes of one base; leave --base out.`);
  const config = bases[base ?? defaultBaseName];
  if (!config) throw new UsageError(`--base takes ${Object.keys(bases).join(", ")}, not ${base}.`);
  const note = (line: string) => console.error(line);
  const { result, table } = await benchmark.run({ repeats, note, ...(benchmark.anyBase && { config }) });
  const sizes = benchmark.anyBase ? { base: base ?? defaultBaseName } : {};
  if (json) console.log(JSON.stringify({ ...result, ...sizes }, null, 2));
  else {
    const at = sizes.base ? `, at the sizes of ${sizes.base}` : "";
    const facts = [`${name}: ${benchmark.about}${at}`, machineText(result.machine)];
    const [separator, shown] = markdown ? ["\n\n", markdownTable(table)] : ["\n", textTable(table)];
    console.log([...facts, shown].join(separator));
  }
  return 0;
}

class UsageError extends Error {}

function readWords(words: readonly string[]) {
  const options = {
    json: { type: "boolean" },
    markdown: { type: "boolean" },
    base: { type: "string" },
    repeats: { type: "string" },
  } as const;
  let parsed: ReturnType<
    typeof parseArgs<{ args: string[]; options: typeof options; allowPositionals: true }>
  >;
  try {
    parsed = parseArgs({ args: [...words], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { values, positionals } = parsed;
  const repeats = values.repeats === undefined ? REPEATS : Number(values.repeats);
  if (positionals.length > 1) throw new UsageError(`One benchmark at a time, not ${positionals.join(", ")}.`);
  if (values.json && values.markdown) throw new UsageError("Choose one of --json and --markdown.");
  if (!Number.isInteger(repeats) || repeats < 1)
    throw new UsageError(`--repeats takes a whole number, not ${values.repeats}.`);
  const { base, json = false, markdown = false } = values;
  return { name: positionals[0], base, repeats, json, markdown };
}

const list = () =>
  [
    "npm run bench -- NAME [--base BASE] [--repeats N] [--json | --markdown]",
    ...benchmarks.map((b) => `  ${b.name}  ${b.about}${b.anyBase ? " *" : ""}`),
    `  * with --base: ${Object.keys(bases).join(", ")}; default ${defaultBaseName}`,
  ].join("\n");

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n${list()}`);
  process.exitCode = 2;
}
