/**
 * onnxruntime as the worker uses it: sessions, frozen weights held once as f32 arrays that every session
 * reads in place, and resident tensors (kept keys and values).
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as ort from "onnxruntime-node";
import { TagllmError } from "../errors.ts";
import { FREE, Graph, type TypedArray } from "../graph/graph.ts";
import { encodeOnnx } from "../graph/onnx.ts";
import { readArrays, writeArrays } from "./array-files.ts";
import { FrozenWeights } from "./frozen-weights.ts";
import type {
  CheckpointTensor,
  EngineOptions,
  EngineStats,
  Feed,
  HostArray,
  Keep,
  Placement,
  PortSpec,
  Request,
  ResidentFile,
  Write,
} from "./protocol.ts";
import { type Resident, rearranged, writeStretches } from "./residents.ts";
import { essence } from "./translate.ts";

interface Compiled {
  readonly session: ort.InferenceSession;
  readonly inputs: ReadonlyMap<string, PortSpec>;
  readonly weights: Readonly<Record<string, ort.Tensor>>;
  readonly outputs: readonly PortSpec[];
}

const count = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);
const elementType = { f32: "float32", i32: "int32", i64: "int64", i8: "int8", u8: "uint8" } as const;
const arrayType = {
  f32: Float32Array,
  i32: Int32Array,
  i64: BigInt64Array,
  i8: Int8Array,
  u8: Uint8Array,
} as const;

const tensor = (p: PortSpec, data: TypedArray): ort.Tensor =>
  new ort.Tensor(elementType[p.dtype], data as Float32Array, p.shape);

export class Runtime {
  private readonly options: EngineOptions;
  private readonly weights: FrozenWeights;
  private readonly residents = new Map<string, Resident>();
  private readonly programs = new Map<number, Compiled>();
  private readonly scratch: Float32Array[] = [];

  private constructor(options: EngineOptions) {
    this.options = options;
    this.weights = new FrozenWeights(options);
  }

  static async start(options: EngineOptions): Promise<Runtime> {
    if (options.device === "webgpu") await probeWebGpu();
    return new Runtime(options);
  }

  load(tensors: readonly CheckpointTensor[]): void {
    this.weights.load(tensors);
  }

  hold(name: string, shape: readonly number[], data: Float32Array): void {
    if (data.length !== count(shape))
      throw new Error(`weight ${name} takes [${shape}], not ${data.length} numbers`);
    this.weights.hold(name, shape, data);
  }

  async compile(request: Extract<Request, { kind: "compile" }>): Promise<void> {
    const weights: Record<string, ort.Tensor> = {};
    for (const p of request.weights) weights[p.name] = tensor(p, this.weights.of(p));
    const externalData = request.packed.map((p) => ({ path: p.name, data: bytesOf(this.weights.of(p)) }));
    const session = await ort.InferenceSession.create(request.onnx, {
      ...this.sessionOptions(request.program, request.mapped),
      ...(externalData.length && { externalData }),
    });
    const inputs = new Map(request.inputs.map((p) => [p.name, p]));
    this.programs.set(request.program, { session, inputs, weights, outputs: request.outputs });
  }

  async drop(program: number): Promise<void> {
    await this.programs.get(program)?.session.release();
    this.programs.delete(program);
  }

  async run(
    program: number,
    feeds: Record<string, Feed>,
    keep: Record<string, Keep | Write>,
  ): Promise<{ outputs: Record<string, HostArray>; seconds: number }> {
    const compiled = this.programs.get(program);
    if (!compiled) throw new Error("the program has been dropped");
    const fed: Record<string, ort.Tensor> = { ...compiled.weights };
    let stacks = 0;
    for (const p of compiled.inputs.values()) {
      const feed = feeds[p.name];
      if (isStack(feed)) fed[p.name] = tensor(p, this.stackRows(p, feed.stack, stacks++));
      else {
        const data = isHeld(feed) ? this.resident(feed.held).data : feed;
        const sized = withSize(p, data?.length ?? 0);
        fed[p.name] = tensor(sized, checked(sized, data));
      }
    }
    const fetches: Record<string, ort.Tensor> = {};
    const buffers: Record<string, HostArray> = {};
    for (const p of compiled.outputs) {
      const data = new arrayType[p.dtype](count(p.shape)) as HostArray;
      buffers[p.name] = data;
      fetches[p.name] = tensor(p, data);
    }
    const began = performance.now();
    await compiled.session.run(fed, fetches);
    const seconds = (performance.now() - began) / 1000;
    const outputs: Record<string, HostArray> = {};
    for (const p of compiled.outputs) {
      const data = buffers[p.name] as HostArray;
      const kept = keep[p.name];
      if (kept && "into" in kept)
        writeStretches(
          this.resident(kept.into),
          { data: data as Float32Array, shape: p.shape },
          kept.stretches,
        );
      else if (kept) this.keepRows(p, data as Float32Array, kept);
      else outputs[p.name] = data;
    }
    return { outputs, seconds };
  }

  write(files: readonly ResidentFile[]): void {
    for (const { path, names } of files) {
      writeArrays(
        path,
        names.map((name) => this.resident(name).data),
      );
    }
  }

  read(files: readonly ResidentFile[]): boolean[] {
    return files.map(({ path, names, shape }) => {
      const arrays = readArrays(path, names.length, count(shape));
      names.forEach((name, i) => {
        if (arrays) this.residents.set(name, { data: arrays[i] as Float32Array, shape });
      });
      return arrays !== null;
    });
  }

  reserve(names: readonly string[], shape: readonly number[], rows: readonly (number | null)[]): void {
    for (const name of names) this.residents.set(name, rearranged(this.residents.get(name), shape, rows));
  }

  place(placements: readonly Placement[]): void {
    for (const { name, into, row } of placements) {
      const { data, shape } = this.resident(name);
      const stretch = { row: 0, at: 0, count: shape.at(-2) as number, toRow: row, toAt: 0 };
      writeStretches(this.resident(into), { data, shape: [1, ...shape] }, [stretch]);
    }
  }

  release(names: readonly string[]): void {
    for (const name of names) this.residents.delete(name);
    if (this.residents.size === 0) this.scratch.length = 0;
  }

  stats(): Omit<EngineStats, "mappedBytes"> {
    return {
      weightBytes: this.weights.bytes,
      residentBytes: [...this.residents.values()].reduce((n, r) => n + r.data.byteLength, 0),
      residents: this.residents.size,
      programs: this.programs.size,
    };
  }

  async close(): Promise<void> {
    for (const { session } of this.programs.values()) await session.release();
    this.programs.clear();
    this.weights.clear();
    this.residents.clear();
    this.scratch.length = 0;
  }

  private sessionOptions(
    program: number,
    mapped: Extract<Request, { kind: "compile" }>["mapped"],
  ): ort.InferenceSession.SessionOptions {
    const { device, threads, profilePrefix } = this.options;
    return {
      executionProviders: device === "webgpu" ? ["webgpu", "cpu"] : ["cpu"],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      // An arena belongs to one session and never shrinks, and a memory pattern doubles it: with a program for
      // every shape their activations would add up. The allocator of the process serves all of them, as fast.
      enableCpuMemArena: false,
      enableMemPattern: false,
      graphOptimizationLevel: "all",
      logSeverityLevel: 4,
      // Threads look for work this long before they sleep: to wake one for each of a step's thousands of nodes takes a
      // tenth of the time, or a fifth with a small base. Not longer, as they take cores from other work meanwhile, and
      // every session has threads of its own: as long as by default, eight shapes in turns took 1.2 times as long.
      extra: {
        session: {
          intra_op: { allow_spinning: "1", spin_duration_us: "20" },
          ...(mapped && { model_external_initializers_file_folder_path: mapped.folder }),
          // Laid out anew, every program would hold its weights again.
          ...(mapped && !mapped.laidOut && { disable_prepacking: "1" }),
        },
      },
      ...(profilePrefix && { enableProfiling: true, profileFilePrefix: `${profilePrefix}-${program}` }),
    };
  }

  private resident(name: string): Resident {
    const held = this.residents.get(name);
    if (!held) throw new Error(`nothing is kept under ${name}`);
    return held;
  }

  /** Rows of kept tensors, zero-padded, in the scratch buffer of this place among a run's stacks. */
  private stackRows(p: PortSpec, names: readonly (string | null)[], place: number): Float32Array {
    const [rows, ...rest] = p.shape as [number, ...number[]];
    const [size, width] = rest.slice(-2) as [number, number];
    const rowLength = count(rest);
    const out = this.scratchOf(place, rows * rowLength);
    for (let row = 0; row < rows; row++) {
      const name = names[row] ?? null;
      const held = name === null ? null : this.resident(name);
      const length = held ? (held.shape.at(-2) as number) : 0;
      for (let part = 0; part < rowLength / (size * width); part++) {
        const at = row * rowLength + part * size * width;
        if (held) out.set(held.data.subarray(part * length * width, (part + 1) * length * width), at);
        out.fill(0, at + length * width, at + size * width);
      }
    }
    return out;
  }

  /** Runs follow one another, so their stacks may use the same memory; fresh pages each time cost more than the copy. */
  private scratchOf(place: number, length: number): Float32Array {
    const buffer = this.scratch[place];
    if (buffer && buffer.length >= length) return buffer.subarray(0, length);
    const grown = new Float32Array(length);
    this.scratch[place] = grown;
    return grown;
  }

  private keepRows(p: PortSpec, data: Float32Array, { names, lengths }: Keep): void {
    const rest = p.shape.slice(1);
    const [size, width] = rest.slice(-2) as [number, number];
    const rowLength = count(rest);
    const parts = rowLength / (size * width);
    names.forEach((name, row) => {
      if (name === null) return;
      const length = lengths[row] as number;
      const cut = new Float32Array(parts * length * width);
      for (let part = 0; part < parts; part++) {
        const begin = row * rowLength + part * size * width;
        cut.set(data.subarray(begin, begin + length * width), part * length * width);
      }
      this.residents.set(name, { data: cut, shape: [...rest.slice(0, -2), length, width] });
    });
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Exclude<TypedArray, BigInt64Array>): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** The port with its free axis, if it has one, as long as so many numbers make it. */
function withSize(p: PortSpec, numbers: number): PortSpec {
  if (!p.shape.includes(FREE)) return p;
  const others = p.shape.filter((d) => d !== FREE);
  return { ...p, shape: p.shape.map((d) => (d === FREE ? Math.floor(numbers / count(others)) : d)) };
}

const isStack = (feed: Feed | undefined): feed is Extract<Feed, { stack: unknown }> =>
  feed !== undefined && "stack" in feed;

const isHeld = (feed: Feed | undefined): feed is Extract<Feed, { held: unknown }> =>
  feed !== undefined && "held" in feed;

function checked(p: PortSpec, feed: HostArray | undefined): HostArray {
  if (feed === undefined) throw new Error(`input ${p.name} was not fed`);
  if (!(feed instanceof arrayType[p.dtype])) {
    throw new Error(`input ${p.name} takes ${p.dtype}, not a ${(feed as object).constructor.name}`);
  }
  if (feed.length !== count(p.shape)) {
    throw new Error(`input ${p.name} takes [${p.shape}] (${count(p.shape)} numbers), not ${feed.length}`);
  }
  return feed;
}

/** In a process of its own, as the native driver writes to stderr what nobody can use. */
async function probeWebGpu(): Promise<void> {
  const graph = new Graph();
  graph.output("y", graph.input("x", "f32", [1]));
  const model = Buffer.from(encodeOnnx(graph)).toString("base64");
  const options = JSON.stringify({ executionProviders: ["webgpu"], logSeverityLevel: 4 });
  const script = `import(${JSON.stringify(import.meta.resolve("onnxruntime-node"))})
    .then((ort) => ort.InferenceSession.create(Buffer.from("${model}", "base64"), ${options}))
    .then(() => process.exit(0), (e) => process.stdout.write(String(e.message), () => process.exit(1)))`;
  await promisify(execFile)(process.execPath, ["-e", script]).catch((cause: { stdout?: string }) => {
    throw new TagllmError(
      "engine/device",
      `The device webgpu was asked for and no WebGPU adapter was found (${essence(cause.stdout || String(cause)).slice(0, 160)}).`,
      "Install a GPU driver with Vulkan; for a software adapter install Debian's chromium and libvulkan1 and set VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json; or use --device cpu.",
      { cause },
    );
  });
}
