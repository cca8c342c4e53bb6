/** Peers from npm, which are no dependencies: where they are, and whether. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the peers are installed: PEERS, else this repository. */
export const peersFolder = (): string =>
  process.env.PEERS ?? fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

export const isInstalled = (name: string): boolean => existsSync(join(peersFolder(), "node_modules", name));
