/** Cuts the pairs of DAVIS that an example's study reads from the raw files, with the example's own script. */
import { basename, join, resolve } from "node:path";
import type { Progress } from "../src/cli/progress.ts";
import { loadStudy } from "../src/study/load.ts";
import { sharedFolder } from "../test/support/goldens.ts";
import { runProgram } from "./process.ts";
import { exampleFile, root } from "./studies.ts";

const PAIRS = "pairs.csv";

export async function preparePairs(example: "affinity" | "davis", progress: Progress): Promise<void> {
  const { study, folder } = await loadStudy(exampleFile(example));
  const pairs = Object.values(study.data)
    .flatMap((s) => s.file)
    .find((file) => basename(file) === PAIRS);
  if (pairs === undefined) throw new Error(`examples/${example}/study.yaml reads no ${PAIRS}`);
  const script = join(root, "examples", "affinity", "prepare.mjs");
  const words = [script, join(sharedFolder, "data", "davis"), resolve(folder, pairs)];
  const { code, stderr } = await runProgram(
    process.execPath,
    example === "davis" ? [...words, "all"] : words,
    { cwd: root, onLine: (line) => progress.note(line) },
  );
  if (code !== 0) throw new Error(`examples/affinity/prepare.mjs ended with ${code}: ${stderr.trim()}`);
}
