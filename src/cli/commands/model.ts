/** `tagllm model info|pull`: what a base is, and models of the hub. */
import { type PullOptions, pullModel } from "../../hub/model.ts";
import { defaultBase } from "../../models/default-base.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { downloadView } from "../download-view.ts";
import type { Io } from "../io.ts";
import { withBase } from "../open-study.ts";
import type { Result } from "../result.ts";
import { bytes, grouped, properties } from "../table.ts";

export async function modelInfo(io: Io, place: string = defaultBase): Promise<Result> {
  return withBase(place, {}, io, async (base) => {
    const { folder } = base;
    const { architecture: model, tokenizer, fingerprint } = base;
    const dtypes = [
      ...new Set([...(await openCheckpoint(folder)).tensors.values()].map(({ dtype }) => dtype)),
    ];
    const parameters = [...model.tensors.values()].reduce((sum, shape) => sum + size(shape), 0);
    const { weightBytes } = await base.engine.stats();
    const token = (id: number | null) => (id === null ? "none" : `${tokenizer.tokenText(id)} (${id})`);
    const text = properties([
      ["base", base.name],
      ["folder", folder],
      ["family", model.modelType],
      ["parameters", grouped(parameters)],
      ["layers", `${model.layers} of ${model.hiddenSize}`],
      ["attention", `${model.heads} heads of ${model.headDim}, ${model.kvHeads} for keys and values`],
      ["positions", grouped(model.maxPositions)],
      ["vocabulary", `${grouped(model.vocabSize)}, ${tied(model) ? "tied" : "untied"} head`],
      ["stored as", `${dtypes.join(", ")}; ${bytes(weightBytes)} in memory`],
      ["BOS, EOS", `${token(tokenizer.bosId)}, ${token(tokenizer.eosId)}`],
      ["begins with BOS", tokenizer.addBos ? "yes" : "no"],
      ["fingerprint", fingerprint.id],
    ]);
    const json = {
      folder,
      fingerprint,
      parameters,
      dtypes,
      weightBytes,
      maxPositions: model.maxPositions,
      heads: model.heads,
      kvHeads: model.kvHeads,
      headDim: model.headDim,
      tiedHead: tied(model),
      bosId: tokenizer.bosId,
      eosId: tokenizer.eosId,
      addBos: tokenizer.addBos,
    };
    return { text, json };
  });
}

export async function pull(io: Io, id: string, { revision }: Pick<PullOptions, "revision">): Promise<Result> {
  const onEvent = downloadView(io.progress);
  const pulled = await pullModel(id, { revision, signal: io.signal(), onEvent });
  const { repo, commit, folder, files } = pulled;
  const text = properties([
    ["model", repo],
    ["commit", commit],
    ["folder", folder],
    ["files", `${files.length} (${bytes(pulled.bytes)}), verified`],
  ]);
  return { text, json: pulled };
}

function size(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

function tied({ embedding, vocabularyHead }: { embedding: string; vocabularyHead: string }): boolean {
  return embedding === vocabularyHead;
}
