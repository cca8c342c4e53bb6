/** A base without a tokenizer and perhaps without files, as far as a Runner looks at one. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Engine } from "../../src/engine/engine.ts";
import type { EngineOptions } from "../../src/engine/protocol.ts";
import type { Architecture } from "../../src/models/architecture.ts";
import type { Base } from "../../src/models/base.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram, isRounded } from "../../src/models/program.ts";
import { Programs, programLimit } from "../../src/models/programs.ts";
import { modelTensors } from "../../src/models/tensors.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";

/** @param engine holds the architecture's tensors */
export function bareBase(architecture: Architecture, engine: Engine): Base {
  const programs = new Programs(
    (spec) => engine.compile(buildProgram(architecture, spec), isRounded(spec)),
    programLimit(architecture.layers, engine.threads),
  );
  const run: Base["run"] = (spec, feeds, options) => programs.run(spec, feeds, options);
  return { architecture, engine, run, close: () => engine.close() } as unknown as Base;
}

/** The checkpoint in `folder`, of a golden file: config and weights without a tokenizer. */
export async function openBareBase(
  folder: string,
  options: Partial<EngineOptions> = {},
  configName = "config.json",
): Promise<Base> {
  const checkpoint = await openCheckpoint(folder);
  const config = JSON.parse(await readFile(join(folder, configName), "utf8"));
  const architecture = readArchitecture(config);
  const engine = await Engine.start(options);
  await engine.load([...modelTensors(checkpoint, architecture)].map(([name, info]) => ({ name, info })));
  return bareBase(architecture, engine);
}
