/** The sizes that most families spell alike in config.json, and which of their layers look back how far. */
import type { ConfigReader } from "./config.ts";

export interface Sizes {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly inner: number;
  readonly vocab: number;
  readonly positions: number;
}

/** Far above any published model; a damaged config would have us build graphs for ever. */
const MOST_LAYERS = 1000;

export interface SizeNames {
  /** The family's own names for the usual ones. */
  readonly own?: Readonly<Record<string, string>>;
  /** Whether every head has keys of its own and the heads share the width; `num_key_value_heads` is not looked at. */
  readonly plainHeads?: boolean;
}

export function readSizes(config: ConfigReader, { own = {}, plainHeads = false }: SizeNames = {}): Sizes {
  const key = (name: string): string => {
    const other = own[name];
    return other !== undefined && (config.has(other) || !config.has(name)) ? other : name;
  };
  const hidden = config.size(key("hidden_size"));
  const layers = config.size(key("num_hidden_layers"));
  const heads = config.size(key("num_attention_heads"));
  const share = Math.floor(hidden / heads);
  const kvHeads = plainHeads ? heads : config.size("num_key_value_heads", heads);
  const headDim = plainHeads ? share : config.size("head_dim", share);
  if (layers > MOST_LAYERS) throw config.wrong(key("num_hidden_layers"), layers, `at most ${MOST_LAYERS}`);
  if (heads % kvHeads)
    throw config.wrong("num_key_value_heads", kvHeads, `a divisor of num_attention_heads ${heads}`);
  if (plainHeads && heads * share !== hidden)
    throw config.wrong(key("num_attention_heads"), heads, `a divisor of ${key("hidden_size")} ${hidden}`);
  return {
    hidden,
    layers,
    heads,
    kvHeads,
    headDim,
    inner: config.size(
      key("intermediate_size"),
      own.intermediate_size === undefined ? undefined : 4 * hidden,
    ),
    vocab: config.size("vocab_size"),
    positions: config.size(key("max_position_embeddings"), 2048),
  };
}

const layerTypes = ["sliding_attention", "full_attention"] as const;
type LayerType = (typeof layerTypes)[number];

/**
 * The window of each layer: how many keys a position sees, itself included; null for all. `layer_types` decides,
 * and where it is absent `slides`.
 */
export function readWindows(
  config: ConfigReader,
  layers: number,
  window: number | null,
  slides: (layer: number) => boolean,
): (number | null)[] {
  const isType = (x: unknown): x is LayerType => layerTypes.includes(x as LayerType);
  const types = config.list("layer_types", layers, isType, `of ${layerTypes.join(" and ")}`);
  const sliding = Array.from({ length: layers }, (_, l) =>
    types ? types[l] === "sliding_attention" : slides(l),
  );
  if (window === null && sliding.includes(true)) {
    throw types
      ? config.wrong("layer_types", types, "possible without a sliding_window in use")
      : config.wrong("sliding_window", null, "possible where layers slide");
  }
  return sliding.map((slide) => (slide ? window : null));
}
