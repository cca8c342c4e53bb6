/**
 * Rotary position embeddings: from a config to the cos and sin rows of given positions. Frequencies and
 * phases are rounded to f32 where Hugging Face's code rounds them (modeling_rope_utils.py), so that long
 * positions agree. Halves (i, i + r/2) rotate together.
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
  /** Channels of a head that rotate. */
  readonly size: number;
  tables(positions: ArrayLike<number>): RopeTables;
}

type Scaling = (frequency: number) => number;

export function readRope(config: ConfigReader, headDim: number): Rope {
  const parameters = config.section("rope_parameters");
  const theta = parameters?.has("rope_theta")
    ? parameters.positive("rope_theta")
    : config.positive("rope_theta", 10000);
  const scale = readScaling(parameters ?? config.section("rope_scaling"), config);
  const frequencies = Float32Array.from({ length: headDim / 2 }, (_, i) =>
    scale(Math.fround(1 / Math.fround(theta ** Math.fround((2 * i) / headDim)))),
  );
  return { size: headDim, tables: (positions) => rotations(frequencies, positions) };
}

function rotations(frequencies: Float32Array, positions: ArrayLike<number>): RopeTables {
  const width = frequencies.length;
  const cos = new Float32Array(positions.length * width);
  const sin = new Float32Array(positions.length * width);
  for (let p = 0; p < positions.length; p++) {
    for (let i = 0; i < width; i++) {
      const phase = Math.fround((positions[p] as number) * (frequencies[i] as number));
      cos[p * width + i] = Math.cos(phase);
      sin[p * width + i] = Math.sin(phase);
    }
  }
  return { cos, sin };
}

function readScaling(section: ConfigReader | null, config: ConfigReader): Scaling {
  if (!section) return (f) => f;
  const key = section.has("rope_type") ? "rope_type" : "type";
  switch (section.choice(key, ["default", "linear", "llama3"], "default")) {
    case "default":
      return (f) => f;
    case "linear": {
      const factor = section.positive("factor");
      return (f) => f / factor;
    }
    case "llama3":
      return llama3(section, config);
  }
}

/** Long wavelengths are stretched by `factor`, short ones kept, those between blended. */
function llama3(section: ConfigReader, config: ConfigReader): Scaling {
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
