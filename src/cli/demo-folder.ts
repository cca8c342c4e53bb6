/** The folder of a demo: new, or known by the demo's own study, which is in it before anything else. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TagllmError } from "../errors.ts";
import { isTemporary, replaceFile } from "../replace-file.ts";
import { summarise } from "../report/read-run.ts";

export const runName = "run";
export const studyName = "study.yaml";
const shippedStudy = fileURLToPath(new URL("../../examples/demo/study.yaml", import.meta.url));

/** `asked`, or the first of runs/demo, runs/demo-2, ... that can be had; then a demo's. @throws run/folder */
export async function openFolder(asked: string | undefined): Promise<string> {
  const study = await readFile(shippedStudy, "utf8");
  const folder = asked ?? (await freeFolder(join("runs", "demo"), study));
  if ((await stateOf(folder, study)) === "other") {
    throw new TagllmError(
      "run/folder",
      `The folder ${folder} holds something, and no ${studyName} of the demo.`,
      "Choose another with --out, or leave it out.",
    );
  }
  await replaceFile(join(folder, studyName), study);
  return folder;
}

async function freeFolder(folder: string, study: string): Promise<string> {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? folder : `${folder}-${n}`;
    const state = await stateOf(candidate, study);
    if (state === "new" || state === "begun") return candidate;
  }
}

/** "ended": its run is finished, damaged, or at work. */
async function stateOf(folder: string, study: string): Promise<"new" | "begun" | "ended" | "other"> {
  const held = await readdir(folder).catch(() => []);
  if (held.every(isTemporary)) return "new";
  const found = await readFile(join(folder, studyName), "utf8").catch(() => null);
  if (found !== study) return "other";
  const run = await summarise(join(folder, runName)).catch(() => null);
  return run === null || run.state === "unfinished" ? "begun" : "ended";
}
