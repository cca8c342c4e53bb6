/** Where the weights of a base are kept in 4 or 8 bits: made once for a base and a number of bits. */
import { aboutCache, cacheHome, openCacheFolder } from "../engine/cache-folder.ts";
import type { Bits } from "../graph/weight-only.ts";

/** @param files config.json and weight files of the base @returns the folder */
export async function openWeightFiles(name: string, files: readonly string[], bits: Bits): Promise<string> {
  return openCacheFolder(cacheHome("weights"), await aboutCache(name, files, `${bits}bit`));
}
