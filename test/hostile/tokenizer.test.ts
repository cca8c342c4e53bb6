/** Hostile tokenizer files, and texts and ids that a tokenizer cannot take. */

import { tokenizerCases } from "./cases/tokenizer.ts";
import { testCases } from "./run-cases.ts";

testCases(tokenizerCases);
