/** Debian's Chromium without a screen: pictures of a page, its PDF, and what it says of its own layout. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runProgram } from "./process.ts";

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
];

export interface Layout {
  /** Pixels; wider than the window means that the page scrolls sideways. */
  readonly width: number;
  readonly height: number;
  /** What the page loaded beside itself. */
  readonly resources: readonly string[];
}

/** The layout in a window of that width. The page has no scripts, so a copy of it that has one is asked. */
export async function layoutOf(page: string, width: number): Promise<Layout> {
  const html = await readFile(page, "utf8");
  const script = `<script>addEventListener("load", () => {
const { scrollWidth: width, scrollHeight: height } = document.documentElement;
const resources = performance.getEntriesByType("resource").map((r) => r.name);
document.documentElement.dataset.layout = encodeURIComponent(JSON.stringify({ width, height, resources })); });</script>`;
  const folder = await mkdtemp(join(tmpdir(), "tagllm-layout-"));
  try {
    const copy = join(folder, "page.html");
    await writeFile(
      copy,
      html.replace("</head>", () => `${script}</head>`),
    );
    const dom = await chromium([`--window-size=${width},900`, "--dump-dom", pathToFileURL(copy).href]);
    const [, found] = /data-layout="([^"]*)"/.exec(dom) ?? [];
    if (found === undefined) throw new Error(`chromium did not show ${page}`);
    return JSON.parse(decodeURIComponent(found)) as Layout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The whole page as one PNG. */
export async function screenshot(page: string, width: number, height: number, file: string): Promise<void> {
  const words = [`--window-size=${width},${height}`, `--screenshot=${file}`, pathToFileURL(page).href];
  await chromium(words);
}

/** Prints to PDF and turns every page into a PNG beside it, `PREFIX-1.png` and on; the sizes of the pages in points. */
export async function print(page: string, prefix: string): Promise<{ pages: number; size: string }> {
  const pdf = `${prefix}.pdf`;
  await chromium(["--no-pdf-header-footer", `--print-to-pdf=${pdf}`, pathToFileURL(page).href]);
  const info = await runProgram("pdfinfo", [pdf], { cwd: tmpdir() });
  const of = (name: string) => new RegExp(`^${name}: +(.*)$`, "m").exec(info.stdout)?.[1] ?? "";
  const drawn = await runProgram("pdftoppm", ["-r", "75", "-png", pdf, prefix], { cwd: tmpdir() });
  if (drawn.code !== 0) throw new Error(drawn.stderr);
  return { pages: Number(of("Pages")), size: of("Page size") };
}

async function chromium(words: readonly string[]): Promise<string> {
  const profile = await mkdtemp(join(tmpdir(), "tagllm-chromium-"));
  try {
    const ended = await runProgram("chromium", [...flags, `--user-data-dir=${profile}`, ...words], {
      cwd: tmpdir(),
    });
    if (ended.code !== 0)
      throw new Error(`chromium ended with code ${ended.code}: ${ended.stderr.slice(-500)}`);
    return ended.stdout;
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
