/** The state of the stage that is running, in one file that is replaced whole. */
import type { Arrays } from "../arrays.ts";
import { TagllmError } from "../errors.ts";
import { replaceFile } from "../replace-file.ts";
import type { TrainState } from "../train/trainer.ts";
import { encodeSafetensors, readHeader, readTensor } from "../weights/safetensors.ts";

const format = "tagllm-checkpoint";

export interface Checkpoint {
  readonly seed: number;
  readonly stage: string;
  /** Bytes of the event log when it was made. */
  readonly events: number;
  readonly state: TrainState;
}

export async function writeCheckpoint(file: string, { state, ...where }: Checkpoint): Promise<void> {
  const { arrays, ...numbers } = state;
  const tensors = Object.fromEntries(
    [...arrays].map(([name, data]) => [
      name,
      {
        dtype: data instanceof Float32Array ? ("F32" as const) : ("F64" as const),
        shape: [data.length],
        data,
      },
    ]),
  );
  const metadata = { format, version: "1", state: JSON.stringify({ ...where, ...numbers }) };
  await replaceFile(file, encodeSafetensors(tensors, metadata));
}

/** @throws run/checkpoint when the file is anything but a whole checkpoint */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  try {
    const { metadata, tensors } = await readHeader(file);
    if (metadata.format !== format || metadata.version !== "1") throw new Error("it is no checkpoint");
    const arrays: Arrays = new Map(
      await Promise.all(
        [...tensors.values()].map(async (info) => {
          const bytes = await readTensor(info);
          const Kind = info.dtype === "F32" ? Float32Array : Float64Array;
          return [info.name, new Kind(bytes.buffer as ArrayBuffer)] as const;
        }),
      ),
    );
    const { seed, stage, events, ...numbers } = JSON.parse(metadata.state ?? "") as Checkpoint &
      Omit<TrainState, "arrays">;
    return { seed, stage, events, state: { ...numbers, arrays } };
  } catch (cause) {
    const problem = `The checkpoint ${file} cannot be read: ${(cause as Error).message}`;
    throw new TagllmError("run/checkpoint", problem, "Remove it: the stage then begins again.", { cause });
  }
}
