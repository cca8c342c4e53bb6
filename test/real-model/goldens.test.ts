/** Hugging Face's own numbers for Llama's variants, in both forms of config.json, and a real checkpoint. */
import { describe } from "node:test";
import { sharedModels } from "../support/goldens.ts";
import { testModelGoldens } from "../support/model-tests.ts";

describe("models equal Hugging Face", () => {
  for (const model of sharedModels) testModelGoldens(model);
});
