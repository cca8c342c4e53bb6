/**
 * `tagllm doctor`: can this machine run tagllm? Every check says what it found and, where it is not in order,
 * what to do. A GPU is not needed, so its absence is no failure.
 */
import { execFile } from "node:child_process";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { promisify } from "node:util";
import { duckDbVersion } from "../../data/duckdb.ts";
import { Engine } from "../../engine/engine.ts";
import { elementCount, Graph } from "../../graph/graph.ts";
import { Base } from "../../models/base.ts";
import { defaultBase } from "../../models/default-base.ts";
import { didYouMean, quote } from "../../suggest.ts";
import type { Io } from "../io.ts";
import { failureOf, type Result, UsageError } from "../result.ts";
import { bytes, grouped } from "../table.ts";

interface Check {
  name: string;
  state: "ok" | "failed" | "absent";
  found: string;
  cure?: string;
}

const checks: Record<string, () => Check | Promise<Check>> = {
  node,
  platform,
  onnxruntime: runtime,
  webgpu,
  duckdb,
  "embedded base": embeddedBase,
  memory,
  cores,
};

export async function doctor({ colors, progress }: Io, only?: string): Promise<Result> {
  if (only !== undefined && !Object.hasOwn(checks, only)) {
    throw new UsageError(
      `There is no check ${quote(only)}.`,
      didYouMean(only, Object.keys(checks), "checks"),
    );
  }
  const results: Check[] = [];
  for (const [name, check] of Object.entries(checks)) {
    if (only !== undefined && name !== only) continue;
    progress.update(`checking ${name} ...`);
    results.push(name === "webgpu" && only === undefined ? await apart(name) : await check());
  }
  progress.clear();
  const marks = { ok: colors.green("ok"), failed: colors.red("--"), absent: colors.yellow("no") };
  const width = Math.max(...results.map(({ name }) => name.length));
  const lines = results.flatMap(({ name, state, found, cure }) => [
    `${marks[state]}  ${name.padEnd(width)}  ${found}`,
    ...(cure === undefined ? [] : [`${" ".repeat(width + 6)}${cure}`]),
  ]);
  const ok = results.every(({ state }) => state !== "failed");
  const last = ok
    ? "This machine can run tagllm."
    : "This machine cannot run tagllm yet; see the lines marked --.";
  return {
    text: [...lines, ...(only === undefined ? ["", last] : [])].join("\n"),
    json: { ok, checks: results },
    ok,
  };
}

/** A check in a process of its own: looking for an adapter makes drivers write to stderr, and some crash. */
async function apart(name: string): Promise<Check> {
  const words = [...process.execArgv, process.argv[1]!, "doctor", name, "--json"];
  const output = await promisify(execFile)(process.execPath, words).catch(
    (error: { stdout?: string }) => error,
  );
  try {
    return (JSON.parse(output.stdout ?? "") as { checks: [Check] }).checks[0];
  } catch {
    return {
      name,
      state: "absent",
      found: "the check crashed",
      cure: "Update the GPU's driver, or use --device cpu.",
    };
  }
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const enough = major > 20 || (major === 20 && minor >= 6);
  const found = `Node ${process.versions.node}`;
  return enough
    ? { name: "node", state: "ok", found }
    : { name: "node", state: "failed", found, cure: "Install Node 20.6 or later." };
}

/** Platforms for which onnxruntime-node brings a library. */
const platforms = ["linux/x64", "linux/arm64", "darwin/arm64", "win32/x64", "win32/arm64"];

function platform(): Check {
  const name = "platform";
  const here = `${process.platform}/${process.arch}`;
  if (!platforms.includes(here)) {
    const cure = `onnxruntime has no library for it; use one of ${platforms.join(", ")}.`;
    return { name, state: "failed", found: here, cure };
  }
  if (process.platform !== "linux") return { name, state: "ok", found: here };
  const glibc = glibcVersion();
  return glibc
    ? { name, state: "ok", found: `${here}, glibc ${glibc}` }
    : {
        name,
        state: "failed",
        found: `${here} without glibc`,
        cure: "onnxruntime needs glibc: use Debian, Ubuntu, Fedora or their kind instead of Alpine.",
      };
}

function glibcVersion(): string | undefined {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  report.excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}

function runtime(): Promise<Check> {
  return attempt("onnxruntime", "failed", async () => {
    await runTinyGraph("cpu");
    return "loads and runs on the CPU";
  });
}

/** Parquet and SQL need it, data in text form does not. */
function duckdb(): Promise<Check> {
  return attempt("duckdb", "absent", async () => `${await duckDbVersion()} reads Parquet and runs SQL`);
}

function webgpu(): Promise<Check> {
  return attempt("webgpu", "absent", async () => {
    await runTinyGraph("webgpu");
    return "an adapter is there; use it with --device webgpu";
  });
}

async function runTinyGraph(device: "cpu" | "webgpu"): Promise<void> {
  const engine = await Engine.start({ device, threads: 1 });
  try {
    const graph = new Graph();
    const x = graph.input("x", "f32", [2]);
    graph.output("y", graph.one("Add", [x, x]));
    const program = await engine.compile(graph);
    const { y } = await program.run({ x: Float32Array.of(1, 2) });
    if (String(y) !== "2,4") throw new Error(`1 + 1, 2 + 2 gave ${y} on ${device}.`);
  } finally {
    await engine.close();
  }
}

function embeddedBase(): Promise<Check> {
  return attempt("embedded base", "failed", async () => {
    const began = performance.now();
    const base = await Base.load(defaultBase);
    try {
      const shapes = [...base.architecture.tensors.values()];
      const parameters = shapes.reduce((n, shape) => n + elementCount(shape), 0);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      return `${base.name} ${base.fingerprint.id}, ${grouped(parameters)} parameters, loaded in ${seconds} s`;
    } finally {
      await base.close();
    }
  });
}

/** What a study on the embedded base needs; larger bases need more. */
const enoughMemory = 2e9;

function memory(): Check {
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const found = `${bytes(total)}, ${bytes(Math.min(total, freemem()))} of it unused`;
  return total >= enoughMemory
    ? { name: "memory", state: "ok", found }
    : { name: "memory", state: "failed", found, cure: `Give it ${bytes(enoughMemory)} or more.` };
}

function cores(): Check {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  return { name: "cores", state: "ok", found: `${availableParallelism()}, ${model}` };
}

async function attempt(name: string, otherwise: Check["state"], work: () => Promise<string>): Promise<Check> {
  try {
    return { name, state: "ok", found: await work() };
  } catch (error) {
    const { problem, cure } = failureOf(error);
    return { name, state: otherwise, found: problem, cure };
  }
}
