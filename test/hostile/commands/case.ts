/** A bad input as a user gives it: files in a folder and a command line, which must be refused in good order. */
import type { World } from "./world.ts";

export const categories = ["study", "data", "prompt", "tag", "model folder", "flags", "environment"] as const;

export interface CommandCase {
  readonly category: (typeof categories)[number];
  readonly name: string;
  /** An error code of src/errors.ts. */
  readonly code: string;
  /** What the message must name. */
  readonly mentions: readonly string[];
  /** Shell words before the command, such as a limit. */
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Entries that the command may leave behind; none otherwise. */
  readonly leaves?: readonly string[];
  /** Fills the folder, which is the working directory, and returns the command line. */
  prepare(folder: string, world: World): Promise<readonly string[]>;
}

export type Attack = Omit<CommandCase, "category">;
