/** Which onnxruntime is installed; read from its package, so that nothing native is loaded for it. */
import { createRequire } from "node:module";

export const runtimeVersion: string = (
  createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string }
).version;
