/** In which numbers products with frozen weights are computed, and where 8-bit integers are the faster ones. */
import { readFileSync } from "node:fs";
import { TagllmError } from "../errors.ts";
import type { Device } from "../graph/lower.ts";

export type Precision = "f32" | "int8";

/** Below this width a model's other operators weigh as much as its products. */
const WIDE = 512;

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
  if (precision === "f32" || (device === "cpu" && hasIntegerProducts())) return;
  throw new TagllmError(
    "engine/device",
    device === "cpu"
      ? "The precision int8 needs a processor with VNNI or AMX instructions, and this one tells of none."
      : `The precision int8 is for the device cpu, not for ${device}.`,
    "Use --precision f32, or auto.",
  );
}
