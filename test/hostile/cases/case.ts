/** One attack: what a hostile or careless user gives, and the error that must come back. Lists of them are data. */

import type { ErrorCode } from "../../../src/errors.ts";

export interface HostileCase {
  /** What is attacked, such as "safetensors files". */
  readonly category: string;
  readonly name: string;
  readonly code: ErrorCode;
  /** What the message must name: the offending value and where it stands. */
  readonly mentions?: readonly string[];
  /** Runs the attack in an empty folder of its own; it must reject with a TagllmError of `code`. */
  run(dir: string): Promise<unknown>;
}
