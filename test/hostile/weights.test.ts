/** Hostile safetensors files and checkpoint folders. */

import { weightsCases } from "./cases/weights.ts";
import { testCases } from "./run-cases.ts";

testCases(weightsCases);
