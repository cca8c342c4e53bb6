/** The checkpoints of this repository against PyTorch: every layer, logits, losses, gradients. */
import { describe } from "node:test";
import { ownModels } from "../support/goldens.ts";
import { testModelGoldens } from "../support/model-tests.ts";

describe("models equal PyTorch", () => {
  for (const model of ownModels) testModelGoldens(model);
});
