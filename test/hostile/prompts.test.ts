/** Hostile templates and rows of data. */

import { promptCases } from "./cases/prompts.ts";
import { testCases } from "./run-cases.ts";

testCases(promptCases);
