/** Where the weights of a base are kept in 4 or 8 bits: made once for a base and a number of bits. */
import { aboutCache, type CachedBase, cacheHome, openCacheFolder } from "../engine/cache-folder.ts";
import type { Bits } from "../graph/weight-only.ts";

/** @returns the folder @throws cache/file */
export async function openWeightFiles(base: CachedBase, bits: Bits): Promise<string> {
  return openCacheFolder(cacheHome("weights"), await aboutCache(base, `${bits}bit`));
}
