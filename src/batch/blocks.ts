/** Blocks of stored keys and values: what they are called and how they are computed. */
import { createHash } from "node:crypto";
import type { Architecture } from "../models/architecture.ts";
import { firstSeen } from "../prompts/mask.ts";
import type { VectorsOf } from "./feeds.ts";
import { type Block, type Layout, layOut } from "./layout.ts";

/** The run that computes block `b` of a layout: a span alone from position 0, or text after what stands before it. */
export function blockLayout(layout: Layout, b: number): Layout {
  const block = layout.past[b] as Block;
  if (block.kind === "text") {
    const end = block.positions.at(-1) as number;
    const past = layout.past.slice(0, b).filter(({ positions }) => (positions[0] as number) < end);
    return { ...layout, past, fresh: block.positions };
  }
  const { prompt } = layout.query;
  const [start, end] = [block.origin, block.origin + block.positions.length];
  const alone = {
    ...prompt,
    ids: prompt.ids.slice(start, end),
    slots: prompt.slots
      .filter((s) => s.position >= start && s.position < end)
      .map((s) => ({ ...s, position: s.position - start })),
    spans: [],
  };
  const whole = { start: layout.whole.start + start, length: layout.whole.length };
  return layOut({ prompt: alone, isolate: false, cut: 0 }, "none", whole);
}

const bytesOf = (a: Int32Array | Float32Array): Uint8Array =>
  new Uint8Array(a.buffer, a.byteOffset, a.byteLength);

/**
 * Names blocks by all that their keys and values depend on: tokens, positions and vectors that they can see, the
 * frequencies that hold for a text as long as theirs, where they stand if the architecture looks at that, and for the
 * last bits the shapes that they are computed in.
 */
export class BlockNames {
  private readonly architecture: Pick<Architecture, "ropes" | "placement">;
  private readonly vectorsOf: VectorsOf;
  private readonly shapes: string;
  private readonly digests = new Map<Float32Array, string>();
  private readonly known = new WeakMap<Block, string>();

  /** @param shapes what the shapes of programs follow from; empty where they follow from what runs together */
  constructor(architecture: Pick<Architecture, "ropes" | "placement">, vectorsOf: VectorsOf, shapes = "") {
    this.architecture = architecture;
    this.shapes = shapes;
    this.vectorsOf = vectorsOf;
  }

  of(layout: Layout, b: number): string {
    const block = layout.past[b] as Block;
    const name = this.known.get(block) ?? this.nameOf(layout, block);
    this.known.set(block, name);
    return name;
  }

  private nameOf(layout: Layout, { kind, origin, positions }: Block): string {
    const { ids, slots } = layout.query.prompt;
    const { ropes, placement } = this.architecture;
    const regimes = ropes.map((rope) => rope.regime(layout.whole.length));
    const place = placement === "fixed" ? layout.whole.start + origin : "any";
    const end = (positions[positions.length - 1] as number) + 1;
    const begin = kind === "text" ? 0 : origin;
    const hash = createHash("sha256")
      .update(`${kind} ${regimes} ${place} ${this.shapes} `)
      .update(bytesOf(ids.subarray(begin, end)));
    if (kind === "text") {
      const first = firstSeen(layout.query.prompt, layout.query.isolate);
      hash.update(bytesOf(positions)).update(bytesOf(positions.map((p) => first[p] as number)));
    }
    for (const { tag, position } of slots) {
      if (position >= begin && position < end)
        hash.update(` ${position - origin} ${this.digest(this.vectorsOf(tag))}`);
    }
    return hash.digest("base64url").slice(0, 24);
  }

  /** Vectors that stand in a stored block are frozen, so their digest is taken once. */
  private digest(vectors: Float32Array): string {
    const known =
      this.digests.get(vectors) ?? createHash("sha256").update(bytesOf(vectors)).digest("base64url");
    this.digests.set(vectors, known);
    return known;
  }
}
