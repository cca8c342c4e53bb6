/** A process of its own: prints a hash of the loss and all gradients of one training step on 2 threads. */
import { createHash } from "node:crypto";
import { Base } from "../../src/models/base.ts";
import { polyglotFolder } from "../support/goldens.ts";
import { trainingStep } from "../support/training-step.ts";

const base = await Base.load(polyglotFolder, { threads: 2 });
const step = await trainingStep(base, 16);
for (const _ of [1, 2]) {
  const { loss, gradients } = await step();
  const hash = createHash("sha256").update(Float64Array.of(loss));
  for (const tag of [...gradients.keys()].sort()) hash.update(gradients.get(tag) as Float32Array);
  console.log(hash.digest("hex"));
}
await base.close();
