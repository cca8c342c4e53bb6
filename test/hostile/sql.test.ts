/** Hostile SQL in a source. */
import { before } from "node:test";
import { loadDuckDb } from "../../src/data/duckdb.ts";
import { sqlCases } from "./cases/sql.ts";
import { testCases } from "./run-cases.ts";

before(() => loadDuckDb());
testCases(sqlCases);
