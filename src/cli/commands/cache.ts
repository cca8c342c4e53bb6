/** `tagllm cache ls|prune`: keys and values that runs with `disk` have stored, and weights in 4 or 8 bits. */
import { rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { type CachedFolder, cacheHome, listCached } from "../../engine/cache-folder.ts";
import { type Result, UsageError } from "../result.ts";
import { bytes, type Column, grouped, table } from "../table.ts";

const DAY = 24 * 3600 * 1000;
const ageOf = ({ used }: CachedFolder): number =>
  used === 0 ? Number.POSITIVE_INFINITY : (Date.now() - used) / DAY;

const holds = { blocks: "keys and values", weights: "weights" } as const;
const allCached = async () => (await Promise.all([listCached("blocks"), listCached("weights")])).flat();

export async function listCache(): Promise<Result> {
  const home = dirname(cacheHome("blocks"));
  const stored = await allCached();
  if (stored.length === 0) return { text: `Nothing is stored in ${home}.`, json: { home, stored } };
  const right = (title: string): Column => ({ title, align: "right" });
  const rows = stored.map((s) => [
    basename(s.folder),
    s.about?.base ?? "?",
    holds[s.kind],
    s.about ? [s.about.precision, ...(s.about.device ? [s.about.device] : [])].join(", ") : "?",
    grouped(s.files),
    bytes(s.bytes),
    s.used === 0 ? "never" : new Date(s.used).toISOString().slice(0, 16).replace("T", " "),
    s.current ? "yes" : "no: another version or processor",
  ]);
  const columns: Column[] = [
    { title: "folder" },
    { title: "base" },
    { title: "holds" },
    { title: "numbers" },
    right("files"),
    right("size"),
    { title: "last use" },
    { title: "used by this version" },
  ];
  const total = stored.reduce((sum, s) => sum + s.bytes, 0);
  const hint = "All of it can be deleted at any time; it is computed again where it is needed.";
  return { text: `${table(columns, rows)}\n\n${bytes(total)} in ${home}. ${hint}`, json: { home, stored } };
}

export interface PruneChoice {
  all?: boolean;
  older?: number;
}

/** Without words: what this version does not use. */
export async function pruneCache({ all = false, older }: PruneChoice): Promise<Result> {
  if (all && older !== undefined) throw new UsageError("Both --all and --older are given.", "Choose one.");
  const home = dirname(cacheHome("blocks"));
  const goes = (s: CachedFolder) => all || (older === undefined ? !s.current : ageOf(s) > older);
  const gone = (await allCached()).filter(goes);
  for (const { folder } of gone) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  const size = gone.reduce((sum, s) => sum + s.bytes, 0);
  const text = gone.length
    ? `${bytes(size)} freed: ${gone.map((s) => `${basename(s.folder)} (${s.about?.base ?? "?"})`).join(", ")}.`
    : `Nothing to delete in ${home}.`;
  return { text, json: { home, bytes: size, deleted: gone.map((s) => s.folder) } };
}
