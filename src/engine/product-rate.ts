/** The matrix-product rate that the runtime reaches on this machine: what every other speed is read beside. */
import { Graph } from "../graph/graph.ts";
import { Engine } from "./engine.ts";

const SIZE = 1024;

/** GFLOP/s of one f32 product of 1024 x 1024 matrices, the best of `runs`, which take some 10 ms each. */
export async function productRate(runs: number, threads?: number): Promise<number> {
  const engine = await Engine.start(threads ? { threads } : {});
  try {
    const values = Float32Array.from({ length: SIZE * SIZE }, (_, i) => ((i * 7919) % 1000) / 1000 - 0.5);
    const g = new Graph();
    const [left, right] = [g.input("left", "f32", [SIZE, SIZE]), g.weight("right", [SIZE, SIZE])];
    g.output("product", g.one("Gemm", [left, right], { transB: 1 }));
    await engine.upload("right", [SIZE, SIZE], values.slice());
    const program = await engine.compile(g);
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < runs; run++) {
      const before = engine.busySeconds;
      await program.run({ left: values });
      best = Math.min(best, engine.busySeconds - before);
    }
    return (2 * SIZE ** 3) / best / 1e9;
  } finally {
    await engine.close();
  }
}
