/** Point 5.4: from a checkpoint folder of three families to a trained tag, with the commands that the pages say. */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readRows } from "../src/data/source.ts";
import { encodeSafetensors } from "../src/weights/safetensors.ts";
import { sharedFolder } from "../test/support/goldens.ts";
import { learnedMethods } from "./learn-tables.ts";
import { sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { runProgram } from "./process.ts";
import { root } from "./studies.ts";

const ROWS = 1500;
const MINUTES = 3;

interface Table {
  readonly file: string;
  readonly target: string;
  /** What `learn` names the function tag. */
  readonly tag: string;
}

interface NewBase {
  readonly family: string;
  readonly folder: string;
  readonly table: Table;
}

export const newBases: Point = {
  id: "5.4",
  asked:
    "From a checkpoint folder of each of three families (llama; gpt2, trained on SMILES by others; qwen2, in two shards) to a trained tag with `model info`, `learn`, `predict` and `tags verify` only, for solubility (gpt2, whose tokenizer has no salts: for the QED of ZINC, which its makers name); exit code 0, the tag no worse than the mean.",
  needs: [sharedData],
  async run({ progress, folder }) {
    const home = await folder();
    await mkdir(home, { recursive: true });
    const built = await runProgram("npm", ["run", "--silent", "build"], { cwd: root });
    if (built.code !== 0) throw new Error(built.stderr || built.stdout);
    const shown: string[] = [];
    const checks: Check[] = [];
    for (const { family, folder: base, table } of await bases(home)) {
      const out = join(home, `learned-${family}`);
      const commands = [
        ["model", "info", base],
        ["learn", table.file, "--input", "smiles:SMILES", "--target", table.target, "--base", base].concat([
          "--minutes",
          String(MINUTES),
          "--out",
          out,
        ]),
        ["predict", "--tag", table.tag, "--tags", join(out, "tags"), "--base", base, "--field", "smiles=CCO"],
        ["tags", "verify", join(out, "tags"), "--base", base],
      ];
      for (const words of commands) {
        const main = join(root, "dist", "cli", "main.js");
        const { code, stdout, stderr, seconds } = await runProgram(process.execPath, [main, ...words], {
          cwd: home,
          onLine: (line) => progress.update(`${family}: ${line}`),
        });
        shown.push(`$ tagllm ${words.join(" ")}\n${(code === 0 ? stdout : stderr).trim()}`);
        const what = `${family}: ${words.slice(0, words[0] === "learn" ? 1 : 2).join(" ")} ends with exit code 0`;
        checks.push({ what, found: `code ${code}, ${seconds.toFixed(0)} s`, pass: code === 0 });
      }
      checks.push(await learnedSomething(family, out));
    }
    progress.clear();
    return { measured: `${shown.join("\n\n")}\n\n${checkLines(checks)}`, pass: allPass(checks) };
  },
};

async function solubility(home: string): Promise<Table> {
  const source = join(sharedFolder, "data", "moleculenet", "solubility_aqsoldb.tab");
  const { rows } = await readRows({ file: source, format: "tsv" });
  const lines = rows.slice(0, ROWS).map(({ Drug, Y }) => `${Drug},${Y}`);
  return writeTable(home, { target: "solubility", tag: "Solubility" }, lines);
}

async function drugLikeness(home: string): Promise<Table> {
  const source = join(sharedFolder, "data", "smiles", "zinc_qed_30k.csv");
  const { rows } = await readRows({ file: source });
  const lines = rows.slice(0, ROWS).map(({ smiles, qed }) => `${smiles},${qed}`);
  return writeTable(home, { target: "qed", tag: "Qed" }, lines);
}

async function writeTable(
  home: string,
  names: Pick<Table, "target" | "tag">,
  lines: readonly string[],
): Promise<Table> {
  const file = join(home, `${names.target}.csv`);
  await writeFile(file, `smiles,${names.target}\n${lines.join("\n")}\n`);
  return { file, ...names };
}

async function bases(home: string): Promise<NewBase[]> {
  const [table, qed] = [await solubility(home), await drugLikeness(home)];
  const llama = join(root, "models", "polyglot-5m");
  const gpt2 = join(sharedFolder, "models", "smiles-gpt2-chemtsv3", "gpt2_0.2m");
  return [
    { family: "llama", folder: llama, table },
    { family: "gpt2", folder: gpt2, table: qed },
    { family: "qwen2", folder: await asQwen2(llama, join(home, "qwen2")), table },
  ];
}

/** Qwen 2 is Llama with biases in attention: with zeros the same model, here in a second shard. */
async function asQwen2(llama: string, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of ["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
    await copyFile(join(llama, name), join(folder, name));
  const config = JSON.parse(await readFile(join(llama, "config.json"), "utf8"));
  const { num_hidden_layers: layers, num_attention_heads: heads } = config;
  const { num_key_value_heads: kvHeads, head_dim: headDim } = config;
  const qwen = { ...config, model_type: "qwen2", architectures: ["Qwen2ForCausalLM"] };
  await writeFile(join(folder, "config.json"), JSON.stringify(qwen));
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
  await copyFile(join(llama, "model.safetensors"), join(folder, shards[0]));
  const nameOf = (part: string, l: number) => `model.layers.${l}.self_attn.${part}_proj.bias`;
  const biases = Array.from({ length: layers }, (_, l) =>
    (["q", "k", "v"] as const).map((part) => {
      const size = (part === "q" ? heads : kvHeads) * headDim;
      return [
        nameOf(part, l),
        { dtype: "F32" as const, shape: [size], data: new Float32Array(size) },
      ] as const;
    }),
  ).flat();
  await writeFile(join(folder, shards[1]), encodeSafetensors(Object.fromEntries(biases)));
  const header = await readFile(join(llama, "model.safetensors"));
  const size = Number(header.readBigUInt64LE(0));
  const own = Object.keys(JSON.parse(header.toString("utf8", 8, 8 + size))).filter(
    (n) => n !== "__metadata__",
  );
  const map = [...own.map((n) => [n, shards[0]]), ...biases.map(([n]) => [n, shards[1]])];
  const index = { metadata: {}, weight_map: Object.fromEntries(map) };
  await writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
  return folder;
}

async function learnedSomething(family: string, out: string): Promise<Check> {
  const what = `${family}: the tag's RMSE on test rows is below the mean's`;
  try {
    const methods = await learnedMethods(out);
    const rmse = (name: string) => methods.get(name)?.mean.rmse ?? Number.NaN;
    const [tag, mean] = [rmse("function tag"), rmse("mean")];
    return { what, found: `${tag.toFixed(3)} against ${mean.toFixed(3)}`, pass: tag < mean };
  } catch (error) {
    return { what, found: (error as Error).message, pass: false };
  }
}
