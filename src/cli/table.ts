/** Plain text tables: columns as wide as their widest cell, numbers at the right. */

export type Align = "left" | "right";

export interface Column {
  title: string;
  align?: Align;
}

/** Lines of a table, without colours: those would count as width. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(({ title }, c) =>
    Math.max(textWidth(title), ...rows.map((row) => textWidth(row[c] ?? ""))),
  );
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, c) => pad(cells[c] ?? "", widths[c]!, align ?? "left"))
      .join("  ")
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...rows.map(line)];
}

export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return tableLines(columns, rows).join("\n");
}

/** `name  value` lines. */
export function properties(entries: readonly (readonly [string, string])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd()).join("\n");
}

function pad(text: string, width: number, align: Align): string {
  const blanks = " ".repeat(width - textWidth(text));
  return align === "left" ? text + blanks : blanks + text;
}

/** Characters, each counted as one column; combining marks count as none. */
export function textWidth(text: string): number {
  return [...text.normalize("NFC").replace(/\p{M}/gu, "")].length;
}

/** 1234567 as "1,234,567". */
export function grouped(n: number): string {
  return n.toLocaleString("en-US");
}

/** Bytes as people read them, in powers of ten. */
export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = n < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3));
  return power === 0 ? `${n} B` : `${(n / 1000 ** power).toFixed(1)} ${units[power]}`;
}
