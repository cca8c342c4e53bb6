/** SQL that wants more than one row's value: other files, the network, the program, other rows, the machine. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readRows } from "../../../src/data/source.ts";
import type { HostileCase } from "./case.ts";

const rows = "smiles,y,Name\nC,1,a\nCC,2,b\nCCC,x,c\nCCCC,4,d\n";

/** Runs the expression as `select` and as `where`; neither may leave or read anything. */
const both = (sql: string) => async (dir: string) => {
  await writeFile(join(dir, "rows.csv"), rows);
  await writeFile(join(dir, "secret.txt"), "secret");
  const [file, here] = [join(dir, "rows.csv"), sql.replaceAll("HERE", dir)];
  const read = (source: object) =>
    readRows({ file, ...source }).then(
      (table) => ({ table, error: null }),
      (error: unknown) => ({ table: null, error }),
    );
  const selected = await read({ select: { a: here } });
  const filtered = await read({ where: here });
  for (const { table } of [selected, filtered]) if (table) return table;
  if (existsSync(join(dir, "out.csv"))) throw new Error("It wrote a file.");
  if (String(filtered.error).includes("secret\n")) throw new Error("It read a file.");
  throw selected.error;
};

const attacks: { name: string; sql: string; mentions?: readonly string[] }[] = [
  { name: "COPY", sql: "COPY batch TO 'HERE/out.csv'" },
  { name: "COPY after an expression", sql: "1; COPY batch TO 'HERE/out.csv'" },
  { name: "a closing bracket and COPY", sql: "1) FROM batch); COPY batch TO 'HERE/out.csv' --" },
  { name: "ATTACH", sql: "1; ATTACH 'HERE/out.csv'" },
  { name: "INSTALL", sql: "1; INSTALL httpfs" },
  { name: "LOAD", sql: "1; LOAD httpfs" },
  { name: "DROP behind a bracket", sql: "1); DROP TABLE batch; --" },
  { name: "PRAGMA", sql: "1; PRAGMA database_list" },
  { name: "SET", sql: "1; SET enable_external_access = true" },
  { name: "SET of a variable", sql: "1; SET VARIABLE x = 1" },
  { name: "a file in FROM", sql: "content FROM read_text('HERE/secret.txt')", mentions: ["more than one"] },
  {
    name: "a file in a subquery",
    sql: "(SELECT content FROM read_text('HERE/secret.txt'))",
    mentions: ["a query"],
  },
  { name: "a file by its name", sql: "(FROM 'HERE/secret.txt')", mentions: ["a query"] },
  { name: "/etc/passwd as CSV", sql: "(SELECT * FROM read_csv('/etc/passwd'))", mentions: ["a query"] },
  { name: "a file in EXISTS", sql: "EXISTS (FROM glob('/etc/*'))", mentions: ["a query"] },
  { name: "a file in IN", sql: "y IN (SELECT content FROM read_blob('/etc/passwd'))", mentions: ["a query"] },
  { name: "a query inside a function", sql: "upper((SELECT 'a'))", mentions: ["a query"] },
  { name: "a query inside a lambda", sql: "list_transform([1], x -> (SELECT x))", mentions: ["a query"] },
  { name: "the network", sql: "(FROM 'https://127.0.0.1:9/rows.csv')", mentions: ["a query"] },
  { name: "the environment", sql: "getenv('HOME')", mentions: ["getenv"] },
  { name: "a setting", sql: "current_setting('memory_limit')", mentions: ["current_setting"] },
  { name: "a variable", sql: "getvariable('x')", mentions: ["getvariable"] },
  { name: "chance", sql: "random() < 0.5", mentions: ["random"] },
  { name: "chance in a schema", sql: "system.main.random() < 0.5" },
  { name: "the time", sql: "now() IS NULL", mentions: ["now"] },
  { name: "the time without brackets", sql: "current_date IS NULL", mentions: ["current_date"] },
  { name: "sleep", sql: "sleep_ms(100000)", mentions: ["sleep_ms"] },
  { name: "a sequence", sql: "nextval('s')", mentions: ["nextval"] },
  { name: "a count of rows", sql: "count(*) > 1", mentions: ["count_star"] },
  { name: "other rows", sql: "lag(y) OVER ()", mentions: ["other rows"] },
  { name: "more rows", sql: "unnest([1, 2])", mentions: ["unnest"] },
  { name: "the row's number inside", sql: '"row number" > 1', mentions: ["row number"] },
  { name: "rowid", sql: "rowid", mentions: ["rowid"] },
  { name: "all columns", sql: "*", mentions: ["all columns"] },
  { name: "columns by a pattern", sql: "COLUMNS('.*')", mentions: ["all columns"] },
  { name: "a parameter", sql: "$1", mentions: ["a parameter"] },
  { name: "two expressions", sql: "smiles, y", mentions: ["several"] },
  { name: "another name", sql: "smiles AS x" },
  { name: "ORDER BY", sql: "smiles ORDER BY y" },
  { name: "LIMIT", sql: "true LIMIT 1" },
  { name: "UNION", sql: "true UNION ALL SELECT true" },
  { name: "DISTINCT", sql: "DISTINCT y" },
  { name: "an alias in front", sql: "a: smiles" },
  { name: "nothing", sql: "" },
  { name: "a comment", sql: "-- nothing" },
  { name: "an open comment", sql: "y /* " },
  { name: "half a word", sql: "y = 'a", mentions: ["unterminated"] },
  { name: "a misspelled column", sql: "smile = 'C'", mentions: ['"smile"', '"smiles"'] },
  { name: "a column of a table", sql: "duckdb_settings.name", mentions: ["duckdb_settings"] },
  { name: "text as a number", sql: "y > 1", mentions: ["TRY_CAST"] },
  { name: "text that is no number", sql: "y::DOUBLE > 0", mentions: ["rows.csv, data row 2", "'x'"] },
  { name: "memory", sql: "length(repeat(smiles, 100000000000)) > 0" },
];

const requests: Omit<HostileCase, "category">[] = [
  {
    name: "a where that gives text",
    code: "data/sql",
    mentions: ["where", "VARCHAR"],
    run: source({ where: "smiles" }),
  },
  {
    name: "a where that keeps nothing",
    code: "data/empty",
    mentions: ["where"],
    run: source({ where: "y = 'z'" }),
  },
  {
    name: "columns that are one name in SQL",
    code: "data/duplicate-column",
    mentions: ['"y"', '"Y"'],
    run: source({ columns: { Y: "Name" }, where: "y = '1'" }),
  },
];

function source(spec: object) {
  return async (dir: string) => {
    await writeFile(join(dir, "rows.csv"), rows);
    return await readRows({ file: join(dir, "rows.csv"), ...spec });
  };
}

export const sqlCases: readonly HostileCase[] = [
  ...attacks.map(
    ({ sql, name, mentions = [] }): HostileCase => ({
      category: "SQL",
      name,
      code: "data/sql",
      mentions: ["select.a", ...mentions],
      run: both(sql),
    }),
  ),
  ...requests.map((r) => ({ category: "SQL", ...r })),
];
