/** Whether there is a WebGPU adapter; without a GPU the software adapter of Debian's chromium serves. */
import { existsSync } from "node:fs";
import { Engine } from "../../src/engine/engine.ts";
import { TagllmError } from "../../src/errors.ts";

const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Why there is none; null when there is one. */
export async function webGpuError(): Promise<TagllmError | null> {
  if (!process.env.VK_ICD_FILENAMES && existsSync(SWIFTSHADER)) process.env.VK_ICD_FILENAMES = SWIFTSHADER;
  try {
    await (await Engine.start({ device: "webgpu" })).close();
    return null;
  } catch (e) {
    if (e instanceof TagllmError && e.code === "engine/device") return e;
    throw e;
  }
}

export const hasWebGpu = async (): Promise<boolean> => (await webGpuError()) === null;
