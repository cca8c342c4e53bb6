/**
 * Is a text one SQL expression over a row, and nothing else? DuckDB's own parser says what it is; everything that
 * is not on the list here is refused by its name.
 */
import { TagllmError } from "../errors.ts";
import { didYouMean, quote } from "../suggest.ts";
import { type Database, reasonOf } from "./duckdb.ts";

export interface Expression {
  /** How messages call it. */
  readonly what: string;
  readonly sql: string;
}

/** What DuckDB calls the parts of an expression that are allowed. */
const allowed = new Set([
  "BETWEEN",
  "CASE",
  "CAST",
  "COLLATE",
  "COLUMN_REF",
  "COMPARISON",
  "CONJUNCTION",
  "CONSTANT",
  "FUNCTION",
  "LAMBDA",
  "OPERATOR",
]);

const names: Record<string, string> = {
  SUBQUERY: "a query",
  WINDOW: "a window over other rows",
  STAR: "all columns at once",
  PARAMETER: "a parameter",
  DEFAULT: "DEFAULT",
};

/** Macros of DuckDB that are functions of their arguments alone; others ask for the session or the time. */
const macros =
  /^(list|array)_|^(nullif|split_part|fmod|fdiv|round_even|roundbankers|date_add|days_in_month)$/;

/** Functions of a row that DuckDB counts as constant although they ask for the session. */
const refused = new Set(["current_setting", "getvariable", "getenv", "version", "txid_current"]);

interface Node {
  class?: string;
  alias?: string;
  column_names?: string[];
  function_name?: string;
  schema?: string;
  lhs?: Node;
  [key: string]: unknown;
}

/** Errors: data/sql. */
export async function requireExpression(
  database: Database,
  { what, sql }: Expression,
  columns: readonly string[],
  type?: "BOOLEAN",
): Promise<void> {
  const refuse = (reason: string, cause?: unknown) =>
    sqlError(`${what}: ${quote(sql)}: ${reason}.`, reason, cause);
  const parsed = await parse(database, `SELECT ${sql}\n`);
  const plain = await parse(database, "SELECT 1");
  if (parsed.error !== null) throw refuse(parsed.error);
  const [expression, ...others] = parsed.list;
  if (parsed.statements !== 1 || parsed.around !== plain.around || expression === undefined)
    throw refuse("this is more than one expression");
  if (others.length > 0) throw refuse("these are several expressions");
  if (expression.alias) throw refuse("an expression has no AS; its field names it");
  const functions = await rowFunctions(database);
  const fault = faultOf(expression, new Set(columns.map((c) => c.toLowerCase())), functions, columns);
  if (fault !== null) throw refuse(fault);
  try {
    const prepared = await database.connection.prepare(`SELECT (\n${sql}\n) FROM batch`);
    const found = String(prepared.columnType(0));
    if (type !== undefined && found !== type) throw refuse(`it gives ${found}, not true or false`);
  } catch (cause) {
    if (cause instanceof TagllmError) throw cause;
    throw refuse(reasonOf(cause), cause);
  }
}

interface Parsed {
  error: string | null;
  statements: number;
  list: Node[];
  /** All of the statement but its expressions. */
  around: string;
}

async function parse({ connection }: Database, statement: string): Promise<Parsed> {
  const found = await connection.runAndReadAll("SELECT json_serialize_sql($1::VARCHAR)", [statement]);
  const tree = JSON.parse(String(found.getRows()[0]?.[0])) as {
    error: boolean;
    error_message?: string;
    statements?: { node: Node & { select_list?: Node[] } }[];
  };
  if (tree.error) {
    const message = tree.error_message ?? "it is no SQL";
    const error = message.startsWith("Only SELECT") ? "this is more than one expression" : message;
    return { error: reasonOf(error), statements: 0, list: [], around: "" };
  }
  const statements = tree.statements ?? [];
  const { select_list: list = [], ...around } = statements[0]?.node ?? {};
  const places = (key: string, value: unknown) => (key === "query_location" ? undefined : value);
  return { error: null, statements: statements.length, list, around: JSON.stringify(around, places) };
}

function faultOf(
  node: unknown,
  columns: ReadonlySet<string>,
  functions: ReadonlySet<string>,
  spelled: readonly string[],
): string | null {
  if (typeof node !== "object" || node === null) return null;
  if (Array.isArray(node)) return firstFault(node, columns, functions, spelled);
  const { class: kind, ...parts } = node as Node;
  if (kind !== undefined && !allowed.has(kind)) {
    return `it holds ${names[kind] ?? kind.toLowerCase()}, and an expression is over one row`;
  }
  if (kind === "COLUMN_REF") {
    const [name = ""] = parts.column_names ?? [];
    if (columns.has(name.toLowerCase())) return null;
    return `there is no column ${quote(name)}. ${didYouMean(name, spelled, "columns").replace(/\.$/, "")}`;
  }
  if (kind === "FUNCTION") {
    const name = (parts.function_name ?? "").toLowerCase();
    const simple = ["", "main"].includes(parts.schema ?? "") && functions.has(name);
    if (!simple) return `${name} is no function of one row`;
  }
  if (kind === "LAMBDA") {
    const own = new Set([...columns, ...parametersOf(parts.lhs)]);
    return firstFault(Object.values(parts), own, functions, spelled);
  }
  return firstFault(Object.values(parts), columns, functions, spelled);
}

function firstFault(
  nodes: readonly unknown[],
  ...rest: Parameters<typeof faultOf> extends [unknown, ...infer R] ? R : never
): string | null {
  for (const node of nodes) {
    const fault = faultOf(node, ...rest);
    if (fault !== null) return fault;
  }
  return null;
}

/** The names that a lambda gives to its values: one column, or several as the arguments of a function. */
function parametersOf(node: unknown): string[] {
  if (typeof node !== "object" || node === null) return [];
  const own = (node as Node).column_names ?? [];
  return [...own.map((n) => n.toLowerCase()), ...Object.values(node).flatMap(parametersOf)];
}

let known: Set<string> | null = null;

/** Functions of DuckDB that give the same for the same arguments, whatever the time, the session or other rows. */
async function rowFunctions({ connection }: Database): Promise<Set<string>> {
  if (known !== null) return known;
  const found = await connection.runAndReadAll(
    "SELECT DISTINCT function_name, function_type, stability FROM duckdb_functions()",
  );
  const good = new Set<string>();
  const bad = new Set(refused);
  for (const [name, kind, stability] of found.getRows() as [string, string, string | null][]) {
    if (kind === "scalar" && stability === "CONSISTENT") good.add(name);
    else if (kind === "macro" && macros.test(name)) good.add(name);
    else if (kind === "scalar" || kind === "aggregate" || kind === "macro") bad.add(name);
  }
  for (const name of bad) good.delete(name);
  known = good;
  return good;
}

export function sqlError(problem: string, reason: string, cause?: unknown): TagllmError {
  const numeric = /Could not convert|explicit type casts|Cannot compare|Cannot mix/.test(reason);
  const cure = numeric
    ? "Columns are text; TRY_CAST(column AS DOUBLE) makes a number, or NULL where it is none."
    : "Correct the expression; docs/data.md says what one may hold.";
  return new TagllmError("data/sql", problem, cure, { cause });
}
