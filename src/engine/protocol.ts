/** What the main thread and the engine's worker say to each other. Types only. */
import type { DType } from "../graph/graph.ts";
import type { Device } from "../graph/lower.ts";
import type { TensorInfo } from "../weights/safetensors.ts";
import type { Precision } from "./precision.ts";

export type HostArray = Float32Array | Int32Array | BigInt64Array;

/**
 * What an input of a program is fed with: an array of its shape; `stack`, names of resident tensors that
 * become the rows of axis 0, each zero-padded at the end of its second-to-last axis (null: a row of zeros); or
 * `held`, a resident tensor of its shape, which is read where it lies.
 */
export type Feed = HostArray | { readonly stack: readonly (string | null)[] } | { readonly held: string };

/** Row i of an output stays in the worker under `names[i]`, cut to `lengths[i]` on its second-to-last axis. */
export interface Keep {
  readonly names: readonly (string | null)[];
  readonly lengths: readonly number[];
}

/** `count` positions one after the other on the second-to-last axis: from where they are taken and where they go. */
export interface Stretch {
  readonly row: number;
  readonly at: number;
  readonly count: number;
  readonly toRow: number;
  readonly toAt: number;
}

/** Parts of an output are written into a resident tensor, which otherwise stays as it is. */
export interface Write {
  readonly into: string;
  readonly stretches: readonly Stretch[];
}

/** A resident tensor without axis 0 is written into a row of another, from position 0 on. */
export interface Placement {
  readonly name: string;
  readonly into: string;
  readonly row: number;
}

/** Resident tensors of one shape that stand in a file, one after the other. */
export interface ResidentFile {
  readonly path: string;
  readonly names: readonly string[];
  readonly shape: readonly number[];
}

export interface PortSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export interface CheckpointTensor {
  readonly name: string;
  readonly info: TensorInfo;
  /** Programs read it in its file; its numbers are read into memory only for what is made of them. */
  readonly mapped: boolean;
}

export interface EngineOptions {
  readonly device: Device;
  /** In which numbers products with frozen weights are computed. */
  readonly precision: Precision;
  /** Threads of one operator; default: all cores the process may use. */
  readonly threads: number;
  /** Where weights in 4 or 8 bits are kept from one process to the next; in memory only when absent. */
  readonly weightFiles?: string;
  /**
   * On the CPU f32 weights of a checkpoint are read where they lie in its files, which must stay as they are while the
   * engine runs; `false` reads them into memory. Default: true.
   */
  readonly mapWeights?: boolean;
  /** Operator timings are written to files with this prefix. */
  readonly profilePrefix?: string;
}

export type Request =
  | { kind: "start"; options: EngineOptions }
  | { kind: "load"; tensors: readonly CheckpointTensor[] }
  | { kind: "upload"; name: string; shape: readonly number[]; data: Float32Array }
  | {
      kind: "compile";
      program: number;
      onnx: Uint8Array;
      inputs: readonly PortSpec[];
      weights: readonly PortSpec[];
      /** Weights that become constants of the program. */
      packed: readonly PortSpec[];
      /** Weights that are constants too, but read in files of the checkpoint: the folder that `onnx` has places in. */
      mapped: { readonly folder: string; readonly laidOut: boolean } | null;
      outputs: readonly PortSpec[];
    }
  | { kind: "drop"; program: number }
  | { kind: "run"; program: number; feeds: Record<string, Feed>; keep: Record<string, Keep | Write> }
  | {
      kind: "reserve";
      names: readonly string[];
      shape: readonly number[];
      rows: readonly (number | null)[];
    }
  | { kind: "place"; placements: readonly Placement[] }
  | { kind: "release"; names: readonly string[] }
  | { kind: "write"; files: readonly ResidentFile[] }
  | { kind: "read"; files: readonly ResidentFile[] }
  | { kind: "stats" }
  | { kind: "close" };

export interface EngineStats {
  /** Bytes of frozen weights in memory, held once whatever the number of programs. */
  readonly weightBytes: number;
  /** Bytes of weights that are read where they lie in the checkpoint's files. */
  readonly mappedBytes: number;
  /** Bytes of kept outputs (keys and values). */
  readonly residentBytes: number;
  readonly residents: number;
  readonly programs: number;
}

/** An error as it crosses the thread boundary; `code` is one of errors.ts. */
export interface Failure {
  readonly code: string;
  readonly problem: string;
  readonly cure: string;
}

export type Response =
  | {
      id: number;
      ok: true;
      outputs?: Record<string, HostArray>;
      stats?: Omit<EngineStats, "mappedBytes">;
      seconds?: number;
      /** Of each file that was to be read: whether it was there and whole. */
      read?: boolean[];
    }
  | { id: number; ok: false; failure: Failure };
