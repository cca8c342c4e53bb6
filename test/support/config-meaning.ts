/** All that a config decides: the graph with its attributes and weights, rotations, sizes. */
import { dumpGraph } from "../../src/graph/dump.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram } from "../../src/models/program.ts";

export function configMeaning(config: Record<string, unknown>) {
  const architecture = readArchitecture(config);
  const { forward: _forward, logits: _logits, ropes, ...sizes } = architecture;
  const spec = { batch: 1, length: 4, past: [3], slots: 1, reads: 2 };
  const positions = [0, 1, 7, 50, 1000, -3];
  return {
    graph: dumpGraph(buildProgram(architecture, { ...spec, result: { kind: "text", train: true } })),
    ropes: ropes.map((rope) => ({
      ...rope,
      tables: rope.tables(positions),
      regime: [1, 24, 25, 64, 65, 5000, 200_000].map((length) => rope.regime(length)),
    })),
    long: ropes.map((rope) =>
      rope.regime(1e9)
        ? rope.tables(
            positions,
            positions.map(() => 1),
          )
        : null,
    ),
    sizes: { ...sizes, tensors: [...sizes.tensors] },
  };
}
