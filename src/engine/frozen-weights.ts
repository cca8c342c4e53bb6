/**
 * The frozen weights of an engine, each held once whatever the number of programs: as f32, and as the 8-bit integers or
 * blocks of few bits that are made of it when a program first asks for them. Where weights have few bits or programs
 * read their files themselves, f32 numbers are read when they are asked for, so what only products use is never in
 * memory as f32 once its blocks are in a file.
 */
import { join } from "node:path";
import { TagllmError } from "../errors.ts";
import { unpackedName } from "../graph/pack.ts";
import { type IntegerWeight, integerWeight } from "../graph/quantise.ts";
import { type BlockWeight, blockWeight, joinedNames } from "../graph/weight-only.ts";
import { checkWholeSync, readTensorSync, type TensorInfo, toFloat32 } from "../weights/safetensors.ts";
import { readBytes, writeArrays } from "./array-files.ts";
import { type BlockMatrix, blockMatrix, emptyMatrix } from "./block-weights.ts";
import { type IntegerMatrix, integerMatrix } from "./int8.ts";
import { weightBits } from "./precision.ts";
import type { CheckpointTensor, EngineOptions, PortSpec } from "./protocol.ts";
import type { Resident } from "./residents.ts";

export class FrozenWeights {
  private readonly options: Pick<EngineOptions, "precision" | "weightFiles">;
  private readonly held = new Map<string, Resident>();
  /** Tensors that are read when they are asked for. */
  private readonly files = new Map<string, TensorInfo>();
  private readonly integers = new Map<string, IntegerMatrix>();
  private readonly blocks = new Map<string, BlockMatrix>();

  constructor(options: FrozenWeights["options"]) {
    this.options = options;
  }

  /** Bytes in memory. */
  get bytes(): number {
    const made = [...this.integers.values(), ...this.blocks.values()].flatMap((m) => Object.values(m));
    const arrays: { byteLength: number }[] = [...made, ...[...this.held.values()].map(({ data }) => data)];
    return arrays.reduce((n, a) => n + a.byteLength, 0);
  }

  load(tensors: readonly CheckpointTensor[]): void {
    const later = weightBits(this.options.precision) !== null;
    for (const { name, info, mapped } of tensors) {
      this.files.set(name, info);
      if (mapped) checkWholeSync(info);
      else if (!later) this.f32(name);
    }
  }

  hold(name: string, shape: readonly number[], data: Float32Array): void {
    this.held.set(name, { shape, data });
  }

  /** What a program is to be given under the name of `p`. */
  of(p: PortSpec): Float32Array | Int8Array | Uint8Array {
    const integer = integerWeight(p.name);
    if (integer) return this.integersOf(integer, p)[integer.part];
    const block = blockWeight(p.name);
    if (block) return this.blocksOf(block, p)[block.part];
    return this.asked(unpackedName(p.name), p, p.shape).data;
  }

  clear(): void {
    for (const map of [this.held, this.files, this.integers, this.blocks]) map.clear();
  }

  private f32(name: string): Resident | undefined {
    const held = this.held.get(name);
    const info = this.files.get(name);
    if (held || !info) return held;
    const read = { shape: info.shape, data: toFloat32(readTensorSync(info), info.dtype) };
    this.held.set(name, read);
    return read;
  }

  private asked(name: string, p: PortSpec, shape?: readonly number[]): Resident {
    const found = this.f32(name);
    if (!found) {
      throw new TagllmError(
        "weights/tensor-missing",
        `The model needs the tensor ${name} for ${p.name} [${p.shape}], which was not loaded.`,
        "Check that the checkpoint belongs to its config.json.",
      );
    }
    if (shape && String(found.shape) !== String(shape)) {
      throw new TagllmError(
        "weights/shape",
        `The tensor ${name} has the shape [${found.shape}], but config.json asks for [${shape}].`,
        "Check that the checkpoint belongs to its config.json.",
      );
    }
    return found;
  }

  private integersOf({ name, direction }: IntegerWeight, p: PortSpec): IntegerMatrix {
    const key = `${direction} ${name}`;
    const known = this.integers.get(key);
    if (known) return known;
    const made = this.madeOf(name, p, ({ data, shape }) =>
      integerMatrix(data, shape as [number, number], direction),
    );
    this.integers.set(key, made);
    return made;
  }

  private blocksOf(weight: BlockWeight, p: PortSpec): BlockMatrix {
    const { name, bits, stored } = weight;
    const names = joinedNames(name);
    if (names.length > 1) return joined(names.map((one) => this.blocksOf({ ...weight, name: one }, p)));
    const known = this.blocks.get(name);
    if (known) return known;
    const shape = (this.held.get(name) ?? this.files.get(name) ?? this.asked(name, p)).shape;
    const [out, into] = (stored === "rows" ? shape : shape.toReversed()) as [number, number];
    const { weightFiles } = this.options;
    const path = weightFiles === undefined ? null : join(weightFiles, `${name}.${bits}bit`);
    const read = path && readMatrix(path, emptyMatrix(out, into, bits));
    const made =
      read || this.madeOf(name, p, (own) => blockMatrix(own.data, own.shape as [number, number], weight));
    if (path && !read) writeArrays(path, [made.scale, made.values, made.zero]);
    this.blocks.set(name, made);
    return made;
  }

  /** The f32 numbers stay only where they were before. */
  private madeOf<T>(name: string, p: PortSpec, make: (weight: Resident) => T): T {
    const before = this.held.has(name);
    const made = make(this.asked(name, p));
    if (!before) this.held.delete(name);
    return made;
  }
}

/** One below the other; for the constants of a program, so it is not held. */
function joined(matrices: readonly BlockMatrix[]): BlockMatrix {
  const bytes = (part: "values" | "zero") => new Uint8Array(Buffer.concat(matrices.map((m) => m[part])));
  const scale = new Float32Array(matrices.reduce((n, m) => n + m.scale.length, 0));
  let at = 0;
  for (const m of matrices) {
    scale.set(m.scale, at);
    at += m.scale.length;
  }
  return { values: bytes("values"), scale, zero: bytes("zero") };
}

/** @param sizes a matrix as large as the one that is read */
function readMatrix(path: string, sizes: BlockMatrix): BlockMatrix | null {
  const { scale, values, zero } = sizes;
  const bytes = readBytes(path, scale.byteLength + values.byteLength + zero.byteLength);
  if (!bytes) return null;
  const zeroAt = scale.byteLength + values.byteLength;
  return {
    scale: new Float32Array(bytes.buffer, 0, scale.length),
    values: bytes.subarray(scale.byteLength, zeroAt),
    zero: bytes.subarray(zeroAt),
  };
}
