/** Machines that do not let a command do its work. */
import { cp, rm, symlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Attack } from "./case.ts";
import { files, goodTable, studyText } from "./world.ts";

const brokenRuntime = fileURLToPath(new URL("../../engine/broken-runtime.cjs", import.meta.url));

/** The good study, trained into `out`. */
const train =
  (...words: string[]) =>
  async (folder: string) => {
    await files(folder, { "study.yaml": studyText(), "words.csv": goodTable });
    return ["train", "study.yaml", ...words];
  };

export const environmentAttacks: Attack[] = [
  {
    name: "a file where the run should go",
    code: "run/write",
    mentions: ["out"],
    prepare: async (folder) => {
      await files(folder, { out: "mine" });
      return train("--out", "out")(folder);
    },
  },
  {
    name: "a folder with other things in it",
    code: "run/folder",
    mentions: ["mine.txt", "run.json"],
    prepare: async (folder) => {
      await files(folder, { "out/mine.txt": "precious" });
      return train("--out", "out")(folder);
    },
  },
  {
    name: "a place that cannot be written",
    code: "run/write",
    mentions: ["/proc"],
    prepare: train("--out", "/proc/out"),
  },
  {
    name: "a disk that is full",
    code: "run/write",
    mentions: ["out"],
    shell: "ulimit -f 1;",
    leaves: ["out"],
    prepare: train("--out", "out"),
  },
  {
    name: "another process at work in the run",
    code: "run/locked",
    mentions: ["process 1 "],
    leaves: ["out"],
    prepare: async (folder, world) => {
      await cp(world.run, join(folder, "out"), { recursive: true });
      await files(folder, { "out/lock.json": JSON.stringify({ pid: 1, host: hostname() }) });
      return ["runs", "rm", "out", "--yes"];
    },
  },
  {
    name: "a run of another study",
    code: "run/changed",
    mentions: ["study.stages.0.batch: 4 then, 32 now"],
    prepare: async (folder, world) => {
      await cp(world.run, join(folder, "out"), { recursive: true });
      return train("--out", "out")(folder);
    },
  },
  {
    name: "a run that has not ended",
    code: "run/unfinished",
    mentions: ["report.json"],
    prepare: async (folder, world) => {
      await cp(world.run, join(folder, "out"), { recursive: true });
      await rm(join(folder, "out", "report.json"));
      return ["report", "out"];
    },
  },
  {
    name: "onnxruntime's library is missing",
    code: "engine/start",
    mentions: ["onnxruntime"],
    env: { NODE_OPTIONS: `--require=${brokenRuntime}` },
    prepare: async () => ["model", "info"],
  },
  {
    name: "no adapter for WebGPU",
    code: "engine/device",
    mentions: ["webgpu"],
    env: { VK_ICD_FILENAMES: "/nonexistent", VK_DRIVER_FILES: "/nonexistent" },
    leaves: [],
    prepare: train("--device", "webgpu", "--out", "out"),
  },
  {
    name: "data that the system does not let us read",
    code: "data/unreadable",
    mentions: ["words.csv"],
    prepare: async (folder) => {
      await symlink("/proc/self/mem", join(folder, "words.csv"));
      return ["learn", "words.csv", "--input", "word:Word", "--target", "size"];
    },
  },
];
