/**
 * Weights of products as constants of a program that writes tokens: the runtime lays them out for one row, which takes
 * two thirds of the time that it takes to read them as they are. The layout is a copy, so only a program that serves
 * texts of any length gets it, and only where the copy is small beside what machines have.
 */
import { elementCount, FREE, type Graph, type Value } from "./graph.ts";
import { rewrite } from "./lower.ts";

const LARGEST = 2 ** 30;
/** The same tensor may be looked up in too, as it is. */
const MARK = " packed";

export const unpackedName = (name: string): string =>
  name.endsWith(MARK) ? name.slice(0, -MARK.length) : name;

const weightOf = ({ op, inputs }: Graph["nodes"][number]): Value | null =>
  op === "Gemm" && inputs[1]?.kind === "weight" ? inputs[1] : null;

/** Takes a graph before it is lowered. */
export function packWeights(graph: Graph, largest = LARGEST): Graph {
  const anyLength = [...graph.inputs.values()].some(({ shape }) => shape.includes(FREE));
  const weights = new Set(graph.live().flatMap((node) => weightOf(node) ?? []));
  const bytes = [...weights].reduce((n, { shape }) => n + 4 * elementCount(shape), 0);
  if (!anyLength || bytes > largest) return graph;
  return rewrite(graph, {
    Gemm: (g, [x, w, ...bias], node) => {
      const packed = weightOf(node) ? g.packedWeight(`${w?.name}${MARK}`, w?.shape ?? [], "f32") : w;
      return [g.one("Gemm", [x as Value, packed as Value, ...bias], node.attributes)];
    },
  });
}
