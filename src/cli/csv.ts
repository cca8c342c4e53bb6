/** Rows as CSV (RFC 4180), as `tagllm predict` writes them; src/data reads such files back as they were. */

/** All rows have the columns of the first one. */
export function csv(rows: readonly Readonly<Record<string, string>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ""))];
  return lines.map((cells) => `${cells.map(cell).join(",")}\n`).join("");
}

function cell(value: string): string {
  return /[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
