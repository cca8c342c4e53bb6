/**
 * The step as files for a runtime that is not ours: the same graphs, the same weights and the same feeds, taken from
 * the library's own step by an engine that records instead of running.
 */
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Engine, HostArray, Program } from "../src/engine/engine.ts";
import { elementCount, type Graph } from "../src/graph/graph.ts";
import { lower } from "../src/graph/lower.ts";
import { encodeOnnx, type FilePlace, usedInputs } from "../src/graph/onnx.ts";
import { prepareStep } from "./random-base.ts";
import type { StepShape } from "./step-shape.ts";

export const weightsName = "weights.bin";

interface RecordedRun {
  /** Of `graphs`. */
  readonly graph: number;
  /** By input: element type, dimensions, and the numbers' bytes in base64. */
  readonly feeds: Readonly<Record<string, { dtype: string; dims: readonly number[]; data: string }>>;
}

const typeNames = { f32: "float32", i32: "int32", i64: "int64", i8: "int8", u8: "uint8" } as const;

/** Writes `graph-N.onnx`, the weights, and `runs.json`: the runs of one step. */
export async function writeStep(folder: string, shape: StepShape): Promise<void> {
  const weights = await open(join(folder, weightsName), "w");
  const places = new Map<string, FilePlace>();
  const graphs: Graph[] = [];
  const runs: RecordedRun[] = [];
  let end = 0;
  const recorder: Pick<Engine, "upload" | "compile"> = {
    async upload(name, _, data) {
      places.set(name, { location: weightsName, offset: end, length: data.byteLength });
      await weights.write(
        new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
        0,
        data.byteLength,
        end,
      );
      end += data.byteLength;
    },
    async compile(built): Promise<Program> {
      const graph = graphs.push(lower(built, "cpu")) - 1;
      const lowered = graphs[graph] as Graph;
      const inputs = usedInputs(lowered).filter(({ kind }) => kind === "input");
      const run: Program["run"] = async (fed) => {
        const feeds = inputs.map(({ name, dtype, shape: dims }) => {
          const { buffer, byteOffset, byteLength } = fed[name] as HostArray;
          const data = Buffer.from(buffer, byteOffset, byteLength).toString("base64");
          return [name, { dtype: typeNames[dtype], dims, data }] as const;
        });
        runs.push({ graph, feeds: Object.fromEntries(feeds) });
        const outputs = [...lowered.outputs].map(([name, value]) => [
          name,
          new Float32Array(elementCount(value.shape)).fill(1),
        ]);
        return Object.fromEntries(outputs);
      };
      return { inputs: [], outputs: [], copiedBytes: 0, run, drop: async () => {} };
    },
  };
  const step = await prepareStep(recorder as Engine, shape);
  await step();
  await weights.close();
  for (const [i, graph] of graphs.entries())
    await writeFile(join(folder, `graph-${i}.onnx`), encodeOnnx(graph, places));
  await writeFile(join(folder, "runs.json"), JSON.stringify({ graphs: graphs.length, runs }));
}
