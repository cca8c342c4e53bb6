/** Hostile data files, and what is asked of tables that they do not hold. */
import { before } from "node:test";
import { loadDuckDb } from "../../src/data/duckdb.ts";
import { dataCases } from "./cases/data.ts";
import { testCases } from "./run-cases.ts";

before(() => loadDuckDb());
testCases(dataCases);
