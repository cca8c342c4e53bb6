/** What can be said of an HTML page without a browser: that it is well formed, needs nothing, and can be read aloud. */

export interface PageFaults {
  /** Tags that close what is not open, or never close. */
  readonly unbalanced: readonly string[];
  /** What would load or run something. */
  readonly loading: readonly string[];
  /** Headings that skip a level, such as h4 after h2. */
  readonly headings: readonly string[];
  /** Pictures that neither have a text nor say that they are decoration. */
  readonly silent: readonly string[];
  readonly doubleIds: readonly string[];
}

const empty = new Set(["meta", "br", "hr", "img", "link", "input"]);

export function pageFaults(html: string): PageFaults {
  const tags = [
    ...html
      .replace(/<style>[\s\S]*?<\/style>/g, "<style></style>")
      .matchAll(/<(\/?)([a-zA-Z][\w:-]*)([^>]*?)(\/?)>/g),
  ];
  const ids = tags.flatMap(([, , , attributes]) => / id=["']([^"']*)/.exec(attributes ?? "")?.[1] ?? []);
  return {
    unbalanced: unbalanced(tags),
    loading: [
      ...(html.match(/<(script|link|img|iframe|object|embed|video|audio|form)\b/gi) ?? []),
      ...(html.match(/@import|url\((?!#)[^)]*/gi) ?? []),
      ...(html.match(/\s(?:src|href|on\w+)\s*=\s*["'](?!#)[^"']*/gi) ?? []),
    ],
    headings: skippedHeadings(html),
    silent: tags
      .filter(([, closing, name, attributes]) => !closing && name === "svg" && !spoken(attributes ?? ""))
      .map(([tag]) => tag.slice(0, 80)),
    doubleIds: [...new Set(ids.filter((id, i) => ids.indexOf(id) < i))],
  };
}

const spoken = (attributes: string): boolean =>
  /aria-hidden=["']true/.test(attributes) ||
  (/role=["']img/.test(attributes) && /aria-label=["'][^"']/.test(attributes));

function unbalanced(tags: readonly RegExpExecArray[]): string[] {
  const open: string[] = [];
  const faults: string[] = [];
  for (const [, closing, name = "", , self] of tags) {
    if (empty.has(name) || self) continue;
    if (!closing) open.push(name);
    else if (open.at(-1) === name) open.pop();
    else faults.push(`</${name}> inside <${open.at(-1) ?? "nothing"}>`);
  }
  return [...faults, ...open.map((name) => `<${name}> never closes`)];
}

function skippedHeadings(html: string): string[] {
  const levels = [...html.matchAll(/<h([1-6])\b/g)].map(([, level]) => Number(level));
  const first = levels[0] === 1 ? [] : [`the first heading is h${levels[0]}`];
  return [
    ...first,
    ...levels.flatMap((level, i) =>
      i && level > (levels[i - 1] as number) + 1 ? [`h${level} after h${levels[i - 1]}`] : [],
    ),
  ];
}
