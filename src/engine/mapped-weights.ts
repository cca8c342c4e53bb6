/**
 * Weights that programs read where they lie: f32 numbers in a checkpoint's files, whose pages the runtime maps. They
 * are there at once whatever their size, take no memory that other processes could not share, and need no copy
 * beside the layout that a program that writes tokens makes of them.
 */
import { dirname, isAbsolute, relative, sep } from "node:path";
import type { Value } from "../graph/graph.ts";
import type { FilePlace } from "../graph/onnx.ts";
import { unpackedName } from "../graph/pack.ts";
import type { TensorInfo } from "../weights/safetensors.ts";

export class MappedWeights {
  private readonly enabled: boolean;
  private readonly tensors = new Map<string, TensorInfo>();
  private folder: string | null = null;

  constructor(enabled: boolean) {
    this.enabled = enabled;
  }

  get bytes(): number {
    return [...this.tensors.values()].reduce((n, { begin, end }) => n + end - begin, 0);
  }

  /** Takes a tensor, or says no: to other number formats, to numbers across words, and to files outside the folder. */
  take(name: string, info: TensorInfo): boolean {
    const inFormat = info.dtype === "F32" && info.begin % 4 === 0 && info.end > info.begin;
    if (!this.enabled || !inFormat) return false;
    this.folder ??= dirname(info.file);
    const inside = relative(this.folder, info.file);
    if (inside.startsWith("..") || isAbsolute(inside)) return false; // absolute: on another drive
    this.tensors.set(name, info);
    return true;
  }

  forget(name: string): void {
    this.tensors.delete(name);
  }

  /**
   * Places in files of `folder` by the names of the values; without those of another shape, which have to be refused by
   * whoever reads them. None where other constants are given from memory: the runtime takes them from one or the other.
   */
  placesOf(values: readonly Value[]): { folder: string; places: ReadonlyMap<string, FilePlace> } {
    const places = new Map<string, FilePlace>();
    const folder = this.folder ?? "";
    for (const { kind, name, shape } of values) {
      const info = kind === "input" ? undefined : this.tensors.get(unpackedName(name));
      if (info && String(info.shape) === String(shape)) places.set(name, placeOf(info, folder));
    }
    const fromMemory = values.some(({ kind, name }) => kind === "packed" && !places.has(name));
    return { folder, places: fromMemory ? new Map() : places };
  }
}

function placeOf({ file, begin, end }: TensorInfo, folder: string): FilePlace {
  return { location: relative(folder, file).split(sep).join("/"), offset: begin, length: end - begin };
}
