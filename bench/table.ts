/** The tables of benchmarks and checks: a row of titles, then rows of text; all columns but the first are numbers. */
import { table } from "../src/cli/table.ts";

export type Table = readonly (readonly string[])[];

export function textTable([titles = [], ...rows]: Table): string {
  return table(
    titles.map((title, i) => ({ title, align: i === 0 ? "left" : "right" })),
    rows,
  );
}

export function markdownTable([titles = [], ...rows]: Table): string {
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  const rule = titles.map((_, c) => (c === 0 ? "---" : "---:"));
  return [line(titles), `|${rule.join("|")}|`, ...rows.map(line)].join("\n");
}
