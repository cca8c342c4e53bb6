/** Hostile files of other programs, given to be imported as tags. */

import { foreignCases } from "./cases/foreign.ts";
import { testCases } from "./run-cases.ts";

testCases(foreignCases);
