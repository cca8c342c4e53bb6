/**
 * What weights in 8 and 4 bits cost: the loss of small real models on real text that they were not trained on, with
 * the kernels that decoding runs (few rows at a time), beside f32. Needs the folder `shared` beside the repository.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Label } from "../src/batch/labels.ts";
import { Runner } from "../src/batch/runner.ts";
import type { Precision } from "../src/engine/precision.ts";
import { PACKED_ROWS } from "../src/graph/weight-only.ts";
import { Base } from "../src/models/base.ts";
import { defaultBase } from "../src/models/default-base.ts";
import { sharedFolder } from "../test/support/goldens.ts";
import { textQuery } from "../test/support/random-prompts.ts";
import type { Benchmark, BenchResult } from "./benchmark.ts";
import { describeMachine } from "./machine.ts";
import type { Table } from "./table.ts";

/** Of a text at most; a run of them has few enough rows for the kernels of decoding. */
const TOKENS = 48;
const TEXTS = 100;

interface Loss {
  readonly tokens: number;
  readonly natsPerToken: number;
  readonly bitsPerCharacter: number;
}

interface TextLoss {
  readonly model: string;
  readonly text: string;
  readonly by: Readonly<Record<string, Loss>>;
}

const precisions: readonly Precision[] = ["f32", "8bit", "4bit"];

/** Lines `from` on of a file, or what stands before the first comma of each. */
async function linesOf(file: string, from: number, column = false): Promise<string[]> {
  const lines = (await readFile(join(sharedFolder, "data", file), "utf8")).split("\n");
  return lines.slice(from, from + TEXTS).map((line) => (column ? (line.split(",")[0] as string) : line));
}

/** Bible verses behind row 9,844, which polyglot-5m has not seen (models/polyglot-5m/seen.json). */
const UNSEEN = 9844;

async function cases(): Promise<{ folder: string; model: string; texts: Map<string, string[]> }[]> {
  const verses = new Map<string, string[]>();
  for (const language of ["en", "de", "ru", "el"])
    verses.set(`verses, ${language}`, await linesOf(`bible8/bible.${language}.txt`, UNSEEN));
  const molecules = await linesOf("smiles/zinc_qed_30k.csv", 20_000, true);
  const shared = (path: string) => join(sharedFolder, "models", path);
  return [
    { folder: defaultBase, model: "polyglot-5m", texts: new Map([...verses, ["molecules", molecules]]) },
    {
      folder: shared("tinystories-656k"),
      model: "tinystories-656k",
      texts: new Map([["verses, en", verses.get("verses, en") as string[]]]),
    },
    {
      folder: shared("smiles-gpt2-chemtsv3/gpt2_0.2m"),
      model: "smiles-gpt2",
      texts: new Map([["molecules", molecules]]),
    },
  ];
}

async function lossOf(base: Base, texts: readonly string[]): Promise<Loss> {
  const { tokenizer } = base;
  const encoded = texts.map((text) => tokenizer.encode(text, { atStart: true }).subarray(0, TOKENS));
  const labels = encoded.map((ids) =>
    Array.from(ids.subarray(1), (id, i): Label => ({ position: i + 1, id })),
  );
  const runner = new Runner(base, () => new Float32Array(0), { reuse: "none", tokens: PACKED_ROWS - 1 });
  const nats = (await runner.nll(encoded.map(textQuery), labels)).flatMap((n) => [...n]);
  const total = nats.reduce((a, b) => a + b, 0);
  const characters = encoded.reduce((n, ids) => n + tokenizer.decode([...ids.subarray(1)]).length, 0);
  return {
    tokens: nats.length,
    natsPerToken: total / nats.length,
    bitsPerCharacter: total / Math.LN2 / characters,
  };
}

async function measure(note: (line: string) => void): Promise<TextLoss[]> {
  const losses: TextLoss[] = [];
  for (const { folder, model, texts } of await cases()) {
    if (!existsSync(folder)) {
      note(`LEFT OUT: ${model}, there is no ${folder}`);
      continue;
    }
    const found = [...texts.keys()].map((text) => ({ model, text, by: {} as Record<string, Loss> }));
    for (const precision of precisions) {
      note(`${model} in ${precision} ...`);
      const base = await Base.load(folder, { precision });
      for (const { text, by } of found) by[precision] = await lossOf(base, texts.get(text) as string[]);
      await base.close();
    }
    losses.push(...found);
  }
  return losses;
}

function lossTable(losses: readonly TextLoss[]): Table {
  const cells = ({ by }: TextLoss, key: "natsPerToken" | "bitsPerCharacter"): string[] => {
    const f32 = by.f32?.[key] as number;
    const changes = ["8bit", "4bit"].map((precision) => {
      const change = 100 * ((by[precision]?.[key] as number) / f32 - 1);
      return `${change < 0 ? "" : "+"}${change.toFixed(2)} %`;
    });
    return key === "natsPerToken" ? [f32.toFixed(4), ...changes] : [f32.toFixed(3)];
  };
  return [
    ["", "tokens", "nats a token, f32", "8 bits", "4 bits", "bits a character, f32"],
    ...losses.map((loss) => [
      `${loss.model}, ${loss.text}`,
      String(loss.by.f32?.tokens),
      ...cells(loss, "natsPerToken"),
      ...cells(loss, "bitsPerCharacter"),
    ]),
  ];
}

export const weightBits: Benchmark = {
  name: "weight-bits",
  about: `loss of small real models with weights in f32, 8 and 4 bits, ${TEXTS} texts of up to ${TOKENS} tokens each`,
  run: async ({ note }) => {
    const losses = await measure(note);
    const ours = { losses };
    const result: BenchResult<typeof ours> = {
      name: "weight-bits",
      machine: describeMachine(),
      ours,
      peers: {},
      ratios: {},
    };
    return { result, table: lossTable(losses) };
  },
};
