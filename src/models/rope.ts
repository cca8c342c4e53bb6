/**
 * Rotary position embeddings: from a config to the cos and sin rows of given positions. Frequencies and
 * phases are rounded to f32 where Hugging Face's code rounds them (modeling_rope_utils.py), so that long
 * positions agree.
 */
import { TagllmError } from "../errors.ts";
import type { ConfigReader } from "./config.ts";

export interface RopeTables {
  /** [positions, size / 2] */
  readonly cos: Float32Array;
  /** [positions, size / 2] */
  readonly sin: Float32Array;
}

export interface Rope {
  /** Channels of a head that rotate: the first ones. */
  readonly size: number;
  /** Neighbours (2i, 2i + 1) rotate together; otherwise halves (i, i + size / 2). */
  readonly interleaved: boolean;
  /**
   * Which frequencies a text of this length has in all its positions: 0, and 1 beyond the length where long RoPE
   * switches. Keys of one regime are worth nothing in the other.
   */
  regime(length: number): number;
  /** @param regimes of each position; 0 when absent */
  tables(positions: ArrayLike<number>, regimes?: ArrayLike<number>): RopeTables;
}

/** How a family rotates, where it is not: all of a head, in halves. */
export interface RopeOptions {
  readonly headDim: number;
  /** The part of a head that rotates. */
  readonly partial?: number;
  readonly interleaved?: boolean;
  /** Whether the family has RoPE of type longrope, and no other scaling. */
  readonly long?: boolean;
}

/** Frequencies of each regime, and what cos and sin are multiplied by. */
interface Spectrum {
  readonly frequencies: readonly Float32Array[];
  readonly amplitude: number;
  /** The longest text of the first regime. */
  readonly limit: number;
}

/** The section that holds RoPE's settings: `rope_scaling` to release 4, `rope_parameters` from 5 on. */
export const ropeSection = (config: ConfigReader): ConfigReader | null =>
  config.section("rope_scaling") ?? config.section("rope_parameters");

export function readRope(config: ConfigReader, options: RopeOptions): Rope {
  const section = ropeSection(config);
  const theta = section?.has("rope_theta") ? section.positive("rope_theta") : config.positive("rope_theta");
  return makeRope(config, section, theta, options);
}

/**
 * One for layers that see everything and one for those with a window. Scaling is of the former alone, to release 4;
 * from 5 on each kind has settings of its own.
 */
export function readRopesByLayer(config: ConfigReader, headDim: number): { full: Rope; sliding: Rope } {
  const scaling = config.section("rope_scaling");
  const parameters = scaling ? null : config.section("rope_parameters");
  const own = (kind: string, otherwise: ConfigReader | null, thetaKey: string): Rope => {
    const section = parameters?.section(kind) ?? otherwise;
    const theta = section?.has("rope_theta") ? section.positive("rope_theta") : config.positive(thetaKey);
    return makeRope(config, section, theta, { headDim });
  };
  for (const key of ["rope_theta", "rope_type"])
    parameters?.require(key, undefined, "given for full_attention and sliding_attention apart");
  return {
    full: own("full_attention", scaling, "rope_theta"),
    sliding: own("sliding_attention", null, "rope_local_base_freq"),
  };
}

/** @param config where the lengths are that `section` may refer to */
export function makeRope(
  config: ConfigReader,
  section: ConfigReader | null,
  theta: number,
  { headDim, partial, interleaved = false, long = false }: RopeOptions,
): Rope {
  const size = Math.trunc(headDim * (partial ?? 1));
  if (partial === undefined) {
    for (const part of section ? [section, config] : [config])
      part.require("partial_rotary_factor", 1, "1, the only one of this family");
  }
  if (size % 2 || size < 2)
    throw config.wrong("head_dim", headDim, `even where it rotates (${size}), as rotary positions need`);
  const plain = Float32Array.from(
    { length: size / 2 },
    (_, i) => 1 / Math.fround(theta ** Math.fround((2 * i) / size)),
  );
  const { frequencies, amplitude, limit } = (long ? longSpectrum : spectrum)(section, config, plain, theta);
  return {
    size,
    interleaved,
    regime: (length) => (length > limit ? 1 : 0),
    tables: (positions, regimes) => rotations(frequencies, amplitude, positions, regimes),
  };
}

function rotations(
  frequencies: readonly Float32Array[],
  amplitude: number,
  positions: ArrayLike<number>,
  regimes?: ArrayLike<number>,
): RopeTables {
  const width = (frequencies[0] as Float32Array).length;
  const cos = new Float32Array(positions.length * width);
  const sin = new Float32Array(positions.length * width);
  for (let p = 0; p < positions.length; p++) {
    const own = frequencies[regimes?.[p] ?? 0] as Float32Array;
    for (let i = 0; i < width; i++) {
      const phase = Math.fround((positions[p] as number) * (own[i] as number));
      cos[p * width + i] = amplitude * Math.cos(phase);
      sin[p * width + i] = amplitude * Math.sin(phase);
    }
  }
  return { cos, sin };
}

const typeKey = (section: ConfigReader): string => (section.has("rope_type") ? "rope_type" : "type");

function spectrum(section: ConfigReader | null, config: ConfigReader, plain: Float32Array): Spectrum {
  const one = (scale: (frequency: number) => number): Spectrum => ({
    frequencies: [plain.map(scale)],
    amplitude: 1,
    limit: Number.POSITIVE_INFINITY,
  });
  if (!section) return one((f) => f);
  switch (section.choice(typeKey(section), ["default", "linear", "llama3"], "default")) {
    case "default":
      return one((f) => f);
    case "linear": {
      const factor = section.positive("factor");
      return one((f) => f / factor);
    }
    case "llama3":
      return one(llama3(section, config));
  }
}

/** Long wavelengths are stretched by `factor`, short ones kept, those between blended. */
function llama3(section: ConfigReader, config: ConfigReader): (frequency: number) => number {
  const factor = section.positive("factor");
  const low = section.positive("low_freq_factor");
  const high = section.positive("high_freq_factor");
  const original = section.has("original_max_position_embeddings")
    ? section.size("original_max_position_embeddings")
    : config.size("max_position_embeddings");
  if (high <= low) {
    throw new TagllmError(
      "model/config",
      `rope_scaling: high_freq_factor ${high} is not above low_freq_factor ${low}.`,
      "Check config.json against the published checkpoint.",
    );
  }
  return (f) => {
    const wavelength = (2 * Math.PI) / f;
    if (wavelength < original / high) return f;
    if (wavelength > original / low) return f / factor;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * f) / factor + smooth * f;
  };
}

/** Every frequency has a divisor for short texts and one for long ones; `su` and `yarn` are its early names. */
function longSpectrum(
  section: ConfigReader | null,
  config: ConfigReader,
  plain: Float32Array,
  theta: number,
): Spectrum {
  const names = ["default", "longrope", "su", "yarn"] as const;
  if (!section || section.choice(typeKey(section), names, "default") === "default")
    return spectrum(section, config, plain);
  const size = 2 * plain.length;
  const isFactor = (x: unknown): x is number => typeof x === "number" && x > 0 && Number.isFinite(x);
  const divided = (key: string): Float32Array => {
    const factors = section.list(key, plain.length, isFactor, "numbers above 0");
    if (!factors) throw section.wrong(key, null, `a list of ${plain.length} numbers above 0`);
    return plain.map(
      (_, i) =>
        1 /
        Math.fround(Math.fround(factors[i] as number) * Math.fround(theta ** Math.fround((2 * i) / size))),
    );
  };
  const original = [config, section].find((part) => part.has("original_max_position_embeddings")) ?? config;
  const limit = original.size("original_max_position_embeddings");
  const stretch = config.size("max_position_embeddings") / limit;
  const amplitude = section.has("attention_factor")
    ? section.positive("attention_factor")
    : stretch <= 1
      ? 1
      : Math.sqrt(1 + Math.log(stretch) / Math.log(limit));
  return { frequencies: [divided("short_factor"), divided("long_factor")], amplitude, limit };
}
