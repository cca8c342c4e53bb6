/** Hostile data files, and what is asked of tables that they do not hold. */

import { dataCases } from "./cases/data.ts";
import { testCases } from "./run-cases.ts";

testCases(dataCases);
