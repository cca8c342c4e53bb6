/**
 * Runs graphs. The one place that knows a runtime exists: a worker thread owns onnxruntime, the frozen
 * weights and the kept keys and values, because its calls block the thread they run on.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { type ErrorCode, TagllmError } from "../errors.ts";
import { byteCount } from "../graph/cost.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { type Device, lower } from "../graph/lower.ts";
import { encodeOnnx, usedInputs } from "../graph/onnx.ts";
import { packWeights } from "../graph/pack.ts";
import { quantise } from "../graph/quantise.ts";
import { multiplyAround } from "../graph/sparse-addition.ts";
import { storeInBits } from "../graph/weight-only.ts";
import type { TensorInfo } from "../weights/safetensors.ts";
import { MappedWeights } from "./mapped-weights.ts";
import { checkPrecision, type Precision, weightBits } from "./precision.ts";
import type {
  EngineOptions,
  EngineStats,
  Feed,
  HostArray,
  Keep,
  Placement,
  PortSpec,
  Request,
  ResidentFile,
  Response,
  Write,
} from "./protocol.ts";

export type { EngineStats, Feed, HostArray, Keep, Placement, Stretch, Write } from "./protocol.ts";

export interface RunOptions {
  readonly keep?: Record<string, Keep | Write>;
  readonly signal?: AbortSignal | undefined;
}

/** A compiled graph. Outputs that are kept in the engine are not returned. */
export interface Program {
  readonly inputs: readonly PortSpec[];
  readonly outputs: readonly PortSpec[];
  /** Of weights that it holds a copy of, laid out for its products. */
  readonly copiedBytes: number;
  run(feeds: Record<string, Feed>, options?: RunOptions): Promise<Record<string, HostArray>>;
  /** Gives its memory and threads back; it cannot run any more. */
  drop(): Promise<void>;
}

type Answer = Extract<Response, { ok: true }>;

const port = (name: string, v: Value): PortSpec => ({ name, dtype: v.dtype, shape: v.shape });

export class Engine {
  readonly device: Device;
  readonly threads: number;
  readonly precision: Precision;
  /** Seconds that programs of this engine have run. */
  busySeconds = 0;
  private readonly worker: Worker;
  private readonly mapped: MappedWeights;
  private readonly waiting = new Map<number, { resolve(a: Answer): void; reject(e: Error): void }>();
  private nextRequest = 0;
  private nextProgram = 0;
  private ended: TagllmError | null = null;

  private constructor(worker: Worker, options: EngineOptions) {
    this.worker = worker;
    this.device = options.device;
    this.threads = options.threads;
    this.precision = options.precision;
    this.mapped = new MappedWeights(options.device === "cpu" && options.mapWeights !== false);
    worker.on("message", (m: Response) => this.settle(m));
    worker.on("error", (e) => this.end(`The engine's worker thread died: ${e.message}.`));
    worker.on("exit", (code) => this.end(`The engine's worker thread ended with code ${code}.`));
  }

  static async start(options: Partial<EngineOptions> = {}): Promise<Engine> {
    const full: EngineOptions = {
      ...options,
      device: options.device ?? "cpu",
      threads: options.threads ?? availableParallelism(),
      precision: options.precision ?? "f32",
    };
    checkPrecision(full.precision, full.device);
    const engine = new Engine(spawn(), full);
    engine.worker.unref();
    try {
      await engine.request({ kind: "start", options: full });
    } catch (e) {
      const died = engine.ended;
      await engine.worker.terminate();
      throw died ? notStarted(died) : e;
    }
    return engine;
  }

  /**
   * Tensors of checkpoint files, known under `name`. Those in f32 are read where they lie; others are held as f32, from
   * now on, or with weights in bits once they are asked for.
   */
  async load(tensors: readonly { name: string; info: TensorInfo }[]): Promise<void> {
    const sorted = tensors.map(({ name, info }) => ({
      name,
      info,
      mapped: this.mapped.take(name, info),
    }));
    await this.request({ kind: "load", tensors: sorted });
  }

  /** Holds an f32 tensor made by the caller as a weight; the array is moved, not copied. */
  async upload(name: string, shape: readonly number[], data: Float32Array): Promise<void> {
    this.mapped.forget(name);
    await this.request({ kind: "upload", name, shape, data }, [data.buffer as ArrayBuffer]);
  }

  /** @param rounded whether products of frozen weights are in 8-bit integers where the precision is int8 */
  async compile(graph: Graph, rounded = true): Promise<Program> {
    const lowered = lower(this.inPrecision(graph, rounded), this.device);
    const used = usedInputs(lowered);
    const { folder, places } = this.mapped.placesOf(used);
    const given = used.filter(({ name }) => !places.has(name));
    const ports = (kind: Value["kind"]) => given.filter((v) => v.kind === kind).map((v) => port(v.name, v));
    const [inputs, weights, packed] = [ports("input"), ports("weight"), ports("packed")];
    const laidOut = used.some(({ kind }) => kind === "packed");
    const outputs = [...lowered.outputs].map(([name, v]) => port(name, v));
    const program = this.nextProgram++;
    const onnx = encodeOnnx(lowered, places);
    await this.request({
      kind: "compile",
      program,
      onnx,
      inputs,
      weights,
      packed,
      mapped: places.size ? { folder, laidOut } : null,
      outputs,
    });
    return {
      inputs,
      outputs,
      copiedBytes: used.reduce((n, v) => n + (v.kind === "packed" ? byteCount(v) : 0), 0),
      run: async (feeds, { keep = {}, signal } = {}) => {
        if (signal?.aborted) throw aborted(signal);
        const answer = await this.request({ kind: "run", program, feeds, keep });
        this.busySeconds += answer.seconds ?? 0;
        return answer.outputs ?? {};
      },
      drop: async () => {
        await this.request({ kind: "drop", program });
      },
    };
  }

  /**
   * Holds zeros of `shape` under each name, to be written by runs. Where there was something, row r begins as row
   * `rows[r]` of that (null: zeros), as far as its positions go: the way to grow, to shrink and to rearrange.
   */
  async reserve(
    names: readonly string[],
    shape: readonly number[],
    rows: readonly (number | null)[],
  ): Promise<void> {
    await this.request({ kind: "reserve", names, shape, rows });
  }

  /** Copies kept outputs into rows of what was reserved. */
  async place(placements: readonly Placement[]): Promise<void> {
    await this.request({ kind: "place", placements });
  }

  /** Forgets kept outputs. */
  async release(names: readonly string[]): Promise<void> {
    await this.request({ kind: "release", names });
  }

  /** Writes kept outputs to files, each complete or not there. */
  async write(files: readonly ResidentFile[]): Promise<void> {
    await this.request({ kind: "write", files });
  }

  /** Keeps again what `write` wrote; says of each file whether it was there and whole. One that is not whole is deleted. */
  async read(files: readonly ResidentFile[]): Promise<readonly boolean[]> {
    return (await this.request({ kind: "read", files })).read ?? [];
  }

  async stats(): Promise<EngineStats> {
    const { stats } = await this.request({ kind: "stats" });
    return { ...(stats as EngineStats), mappedBytes: this.mapped.bytes };
  }

  async close(): Promise<void> {
    if (this.ended) return;
    await this.request({ kind: "close" }).catch(() => undefined);
    this.ended = new TagllmError(
      "engine/closed",
      "The engine has been closed.",
      "Load the base again to go on.",
    );
    await this.worker.terminate();
  }

  private inPrecision(graph: Graph, rounded: boolean): Graph {
    const bits = weightBits(this.precision);
    if (bits !== null) return storeInBits(graph, bits);
    const own = this.precision === "int8" && rounded ? quantise(graph) : packWeights(graph);
    return this.device === "cpu" ? multiplyAround(own) : own;
  }

  private request(message: Request, transfer: ArrayBuffer[] = []): Promise<Answer> {
    if (this.ended) return Promise.reject(this.ended);
    const id = this.nextRequest++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.ref();
      this.worker.postMessage({ id, message }, transfer);
    });
  }

  private settle(response: Response): void {
    const pending = this.waiting.get(response.id);
    this.waiting.delete(response.id);
    if (this.waiting.size === 0) this.worker.unref();
    if (!pending) return;
    if (response.ok) pending.resolve(response);
    else {
      const { code, problem, cure } = response.failure;
      pending.reject(new TagllmError(code as ErrorCode, problem, cure));
    }
  }

  private end(why: string): void {
    this.ended ??= new TagllmError(
      "engine/closed",
      why,
      "Load the base again; `tagllm doctor` checks the machine.",
    );
    for (const { reject } of this.waiting.values()) reject(this.ended);
    this.waiting.clear();
  }
}

function notStarted({ problem }: TagllmError): TagllmError {
  return new TagllmError(
    "engine/start",
    `onnxruntime could not be loaded. ${problem}`,
    "It has libraries for Linux with glibc and Windows (x64, arm64) and macOS (arm64); there, run npm install again.",
  );
}

function aborted(signal: AbortSignal): TagllmError {
  return new TagllmError("aborted", "The run was interrupted.", "Start it again.", {
    cause: signal.reason,
  });
}

/** Under tsx the worker must register the TypeScript loader itself: a .ts file cannot be its entry. */
function spawn(): Worker {
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("./worker.js", import.meta.url));
  const loader = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const entry = JSON.stringify(new URL("./worker.ts", import.meta.url).href);
  return new Worker(`import(${loader}).then((tsx) => { tsx.register(); return import(${entry}); })`, {
    eval: true,
  });
}
