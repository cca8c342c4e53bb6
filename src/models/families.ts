/** model_type -> family. A family is one file; what is not here is an error that lists what is. */
import { TagllmError } from "../errors.ts";
import type { Architecture } from "./architecture.ts";
import { ConfigReader } from "./config.ts";
import { llama } from "./llama.ts";

const families: Record<string, (config: ConfigReader) => Architecture> = { llama };

export const supportedFamilies: readonly string[] = Object.keys(families);

/** @throws model/unsupported, model/config */
export function readArchitecture(config: Record<string, unknown>): Architecture {
  const type = String(config.model_type);
  const family = Object.hasOwn(families, type) && families[type];
  if (!family) {
    throw new TagllmError(
      "model/unsupported",
      `config.json says model_type ${JSON.stringify(config.model_type ?? null)}, which is not supported.`,
      `Supported: ${supportedFamilies.join(", ")}.`,
    );
  }
  return family(new ConfigReader(config));
}
