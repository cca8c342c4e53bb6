/** Plain text tables: columns as wide as their widest cell, numbers at the right. */

export type Align = "left" | "right";

export interface Column {
  title: string;
  align?: Align;
}

/** Lines of a table, without colours: those would count as width, and are escaped as all that steers a terminal. */
export function tableLines(columns: readonly Column[], cells: readonly (readonly string[])[]): string[] {
  const titles = columns.map(({ title }) => printable(title));
  const rows = cells.map((row) => row.map(printable));
  const widths = titles.map((title, c) =>
    rows.reduce((widest, row) => Math.max(widest, textWidth(row[c] ?? "")), textWidth(title)),
  );
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, c) => pad(cells[c] ?? "", widths[c]!, align ?? "left"))
      .join("  ")
      .trimEnd();
  return [line(titles), ...rows.map(line)];
}

export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return tableLines(columns, rows).join("\n");
}

/** `name  value` lines; a value may be of several lines. */
export function properties(entries: readonly (readonly [string, string])[]): string {
  const shown = entries.map(([name, value]) => [
    printable(name),
    value.split("\n").map(printable).join("\n"),
  ]);
  const width = Math.max(...shown.map(([name]) => name!.length));
  return shown.map(([name, value]) => `${name!.padEnd(width)}  ${value}`.trimEnd()).join("\n");
}

/** Text of a stranger on one line: what would move the cursor, colour, or turn the direction is escaped. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    const short = JSON.stringify(character).slice(1, -1);
    return short === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}` : short;
  });
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
