/** Point 2.5: an isolated span depends on itself alone, and a tag's numbers matter, each and in their order. */
import { join } from "node:path";
import type { Base } from "../src/models/base.ts";
import { textTask } from "../src/study/domain-stage.ts";
import { meanTextLoss } from "../src/train/tasks.ts";
import { measureIsolation } from "../test/support/isolation.ts";
import { Random } from "../test/support/random.ts";
import { runnerWith, type TrainedDomain, withDomains } from "./domains.ts";
import { sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";

const STAGE = "smiles";
const SHUFFLES = 5;

export const isolation: Point = {
  id: "2.5",
  asked:
    "A stored span gives bit-equal keys and values at any offset; through the full mask bit-equal at the same slot and 1e-5 elsewhere. A shuffled and an untrained tag both worsen validation loss.",
  needs: [sharedData],
  async run({ progress, folder }) {
    const out = join(await folder(), "one-domain");
    return withDomains({ out, progress, stages: [STAGE] }, async ({ base, domains }) => {
      const checks = [...(await spanChecks(base)), ...(await tagChecks(base, domains[0] as TrainedDomain))];
      return { measured: checkLines(checks), pass: allPass(checks) };
    });
  },
};

async function spanChecks(base: Base): Promise<Check[]> {
  const n = await measureIsolation(base);
  const equal = (what: string, differing: number): Check => ({
    what,
    found: `${differing} of ${n.compared} numbers differ in any bit`,
    pass: differing === 0,
  });
  const near = (what: string, error: number): Check => ({
    what,
    found: `largest difference ${error.toExponential(1)} of the largest number`,
    pass: error < 1e-5,
  });
  return [
    equal("a stored span at any offset: keys and values bit-equal", n.storedDiffering),
    near("stored when first computed in a batch with other spans", n.storedInBatch),
    equal("through the full mask at the same slot behind other text: bit-equal", n.sameSlotDiffering),
    near("through the full mask at other slots: 1e-5", n.otherSlots),
    near("read-out after a stored span, against the full mask", n.readOut),
    {
      what: "without isolation the same comparison does differ",
      found: n.withoutIsolation.toFixed(2),
      pass: n.withoutIsolation > 1e-2,
    },
  ];
}

/** Validation loss of a trained tag, and of what is left of it when its numbers or its rows change places. */
async function tagChecks(base: Base, { tag, task, trained, untrained }: TrainedDomain): Promise<Check[]> {
  const { validation } = textTask(task);
  const loss = async (vectors: Float32Array) => meanTextLoss(runnerWith(base, vectors), validation);
  const own = await loss(trained);
  const worse = (what: string, losses: readonly number[]): Check => ({
    what: `<${tag}> ${what} has a higher validation loss than the trained tag's ${own.toFixed(4)}`,
    found: losses.map((x) => x.toFixed(4)).join(", "),
    pass: losses.every((x) => x > own),
  });
  const width = base.architecture.hiddenSize;
  const [numbers, rows]: number[][] = [[], []];
  for (let seed = 1; seed <= SHUFFLES; seed++) {
    const random = new Random(seed);
    numbers?.push(await loss(Float32Array.from(random.shuffled([...trained]))));
    rows?.push(await loss(shuffledRows(trained, width, random)));
  }
  return [
    worse("untrained", [await loss(untrained)]),
    worse(`with its numbers shuffled (${SHUFFLES} times)`, numbers ?? []),
    worse(`with its rows shuffled (${SHUFFLES} times)`, rows ?? []),
  ];
}

function shuffledRows(vectors: Float32Array, width: number, random: Random): Float32Array {
  const rows = Array.from({ length: vectors.length / width }, (_, r) =>
    vectors.subarray(r * width, (r + 1) * width),
  );
  return Float32Array.from(random.shuffled(rows).flatMap((row) => [...row]));
}
