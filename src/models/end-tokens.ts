/** Which tokens end a text by a checkpoint: what generation_config.json says, else config.json. */
import { join } from "node:path";
import { TagllmError } from "../errors.ts";
import { type JsonObject, readJsonObject } from "../json-file.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";

const KEY = "eos_token_id";

/** @throws model/config, model/config-json */
export async function readEndTokens({ folder, config }: Checkpoint, vocabSize: number): Promise<number[]> {
  const path = join(folder, "generation_config.json");
  const generation = await readJsonObject(
    path,
    "model/config-json",
    "Download the file again, or remove it.",
  );
  return generation?.[KEY] != null
    ? listed(generation, path, vocabSize)
    : listed(config, "config.json", vocabSize);
}

function listed(settings: JsonObject, file: string, vocabSize: number): number[] {
  const value = settings[KEY] ?? [];
  const ids = [value].flat();
  const isToken = (id: unknown): id is number =>
    Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabSize;
  if (ids.every(isToken)) return ids;
  throw new TagllmError(
    "model/config",
    `${file}: ${KEY} is ${JSON.stringify(value)}, which is not one or several of the model's ${vocabSize} tokens.`,
    "Check that the file belongs to this checkpoint.",
  );
}
