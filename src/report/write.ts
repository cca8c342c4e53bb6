/** The page of a run that has just ended, in its folder. */
import { join, resolve } from "node:path";
import type { Base } from "../models/base.ts";
import { replaceFile } from "../replace-file.ts";
import { describeRun } from "./document.ts";
import { toHtml } from "./html.ts";

export const reportName = "report.html";

/**
 * Writes `report.html` into a finished run's folder and returns its path.
 *
 * @throws run/not-a-run, run/unfinished, run/damaged
 */
export async function writeReport(run: string, base: Base): Promise<string> {
  const file = join(run, reportName);
  await replaceFile(resolve(file), toHtml([await describeRun(run, base)]));
  return file;
}
