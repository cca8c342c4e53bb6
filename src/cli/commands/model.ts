/** `tagllm model info|pull`: what a base is, and models of the hub. */
import { type PullOptions, pullModel } from "../../hub/model.ts";
import { readBase } from "../../models/base.ts";
import { defaultBase } from "../../models/default-base.ts";
import { type Expectation, expectationsOf } from "../../models/expectations.ts";
import { downloadView } from "../download-view.ts";
import type { Io } from "../io.ts";
import type { Result } from "../result.ts";
import { bytes, grouped, properties } from "../table.ts";

export async function modelInfo(io: Io, place: string = defaultBase): Promise<Result> {
  const base = await readBase(place, { onDownload: downloadView(io.progress), signal: io.signal() });
  const { folder, architecture: model, tokenizer, fingerprint, tensors } = base;
  const dtypes = [...new Set([...tensors.values()].map(({ dtype }) => dtype))];
  io.progress.update("measuring this machine ...");
  const expected = await expectationsOf(model);
  io.progress.clear();
  const { weightBytes, weightBytesIn, read, train, freeBytes, gflops } = expected;
  const parameters = weightBytes / 4;
  const fits =
    train.bytes <= freeBytes
      ? "training fits"
      : read.bytes <= freeBytes
        ? "only predicting fits"
        : "too large";
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
    ["stored as", dtypes.join(", ")],
    [
      "weights",
      `${bytes(weightBytes)} in memory as f32, ${bytes(weightBytesIn["8bit"])} in 8 bits, ${bytes(weightBytesIn["4bit"])} in 4 bits`,
    ],
    ["BOS, EOS", `${token(tokenizer.bosId)}, ${token(tokenizer.eosId)}`],
    ["begins with BOS", tokenizer.addBos ? "yes" : "no"],
    ["chat template", tokenizer.chat ? "yes" : "no"],
    ["fingerprint", fingerprint.id],
    [
      "memory",
      `about ${bytes(train.bytes)} to train a tag, ${bytes(read.bytes)} to predict; ${bytes(freeBytes)} are free: ${fits}`,
    ],
    [
      "speed",
      `about ${perSecond(train)} trained, ${perSecond(read)} read (f32; one product ran at ${gflops.toFixed(0)} GFLOP/s)`,
    ],
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
    chatTemplate: tokenizer.chat !== null,
    expected,
  };
  return { text, json };
}

const perSecond = ({ tokensPerSecond }: Expectation): string =>
  `${grouped(Number(tokensPerSecond.toPrecision(2)))} tokens a second`;

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

function tied({ embedding, vocabularyHead }: { embedding: string; vocabularyHead: string }): boolean {
  return embedding === vocabularyHead;
}
