/** In which numbers products with frozen weights are computed, and where 8-bit integers are the faster ones. */
import { readFileSync } from "node:fs";
import { TagllmError } from "../errors.ts";
import type { Device } from "../graph/lower.ts";
import type { Bits } from "../graph/weight-only.ts";

/**
 * `int8`: training on whole texts with both sides of products in 8-bit integers; all else as in f32. `8bit`, `4bit`: weights alone, which are kept in so many bits; for reading and writing text, not for training.
 */
export type Precision = "f32" | "int8" | "8bit" | "4bit";

export const precisions: readonly Precision[] = ["f32", "int8", "8bit", "4bit"];

/** Below this width a model's other operators weigh as much as its products. */
const WIDE = 512;

/** The bits of stored weights; null where they are f32 or also int8's. */
export const weightBits = (precision: Precision): Bits | null =>
  precision === "8bit" ? 8 : precision === "4bit" ? 4 : null;

/**
 * Whether activations are rounded to 8 bits on the way to states and losses that are read (`int8` does so in training
 * alone), in products of few rows. The last bits of a sum, which differ with the shape of a product, then decide what a
 * number is rounded to, and the difference is seen in the result.
 */
export const roundsWhereRead = (precision: Precision): boolean => weightBits(precision) !== null;

/** Whether the processor has instructions for sums of 8-bit products; without them sums can overflow. */
function hasIntegerProducts(): boolean {
  try {
    return /\b(?:avx512_vnni|avx_vnni|amx_int8)\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false;
  }
}

/** `auto`: 8 bits where the processor is known to be fast at them and the model is wide enough. */
export const choosePrecision = (asked: Precision | "auto", device: Device, width: number): Precision =>
  asked !== "auto" ? asked : device === "cpu" && width >= WIDE && hasIntegerProducts() ? "int8" : "f32";

/** @throws engine/device */
export function checkPrecision(precision: Precision, device: Device): void {
  if (precision === "f32") return;
  if (device === "cpu" && (precision !== "int8" || hasIntegerProducts())) return;
  throw new TagllmError(
    "engine/device",
    device === "cpu"
      ? "The precision int8 needs a processor with VNNI or AMX instructions, and this one tells of none."
      : `The precision ${precision} is for the device cpu, not for ${device}.`,
    "Use --precision f32, or auto.",
  );
}

/** @throws engine/precision */
export function requireGradients(precision: Precision): void {
  if (weightBits(precision) === null) return;
  throw new TagllmError(
    "engine/precision",
    `With weights in ${precision === "4bit" ? 4 : 8} bits nothing can be trained: they are for reading and writing text.`,
    "Load the base with the precision f32, int8 or auto to train.",
  );
}
