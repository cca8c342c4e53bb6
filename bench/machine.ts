/** The machine that a measurement was taken on: a number without it says nothing. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import { dirname, join } from "node:path";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** Instruction sets that decide how fast matrix products are. */
  readonly flags: readonly string[];
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
  readonly onnxruntime: string;
  /** Processes that wanted a core in the last minute, before the benchmark began. */
  readonly load: number;
}

const flagsOfInterest = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8"];

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    flags: cpuFlags(),
    memoryBytes: totalmem(),
    platform: `${platform()} ${release()}`,
    node: process.version,
    onnxruntime: packageVersion("onnxruntime-node"),
    load: loadavg()[0] as number,
  };
}

export function machineText({ cpu, cores, flags, memoryBytes, node, onnxruntime, load }: Machine): string {
  const sets = flags.length ? flags.join(" ") : "no instruction sets known";
  const memory = `${(memoryBytes / 2 ** 30).toFixed(0)} GiB`;
  return `${cpu}, ${cores} cores (${sets}), ${memory}, Node ${node}, onnxruntime-node ${onnxruntime}, load ${load.toFixed(1)}`;
}

function cpuFlags(): string[] {
  try {
    const line = readFileSync("/proc/cpuinfo", "utf8").match(/^(?:flags|Features)\s*:(.*)$/m)?.[1] ?? "";
    const known = new Set(line.trim().split(/\s+/));
    return flagsOfInterest.filter((flag) => known.has(flag));
  } catch {
    return [];
  }
}

function packageVersion(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  while (!folder.endsWith(join("node_modules", name))) folder = dirname(folder);
  return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version;
}
