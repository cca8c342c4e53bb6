/**
 * A base: a frozen checkpoint with its tokenizer, loaded into an engine. Its programs are compiled for
 * each shape and kept while there is room; its weights are held once, in the engine.
 */
import { basename, join, resolve } from "node:path";
import { Engine, type Feed, type HostArray, type RunOptions } from "../engine/engine.ts";
import { choosePrecision, type Precision, requireGradients, weightBits } from "../engine/precision.ts";
import type { EngineOptions } from "../engine/protocol.ts";
import { TagllmError } from "../errors.ts";
import { repoOfSnapshot } from "../hub/cache.ts";
import { findBase } from "../hub/model.ts";
import type { HubEvent } from "../hub/snapshot.ts";
import { loadTokenizer, type TextTokenizer } from "../tokenizer/tokenizer.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { fingerprintTensors } from "../weights/fingerprint.ts";
import { readTensor, type TensorInfo, toFloat32 } from "../weights/safetensors.ts";
import type { Architecture } from "./architecture.ts";
import { readEndTokens } from "./end-tokens.ts";
import { readArchitecture } from "./families.ts";
import { type BaseFingerprint, baseFingerprint } from "./fingerprint.ts";
import { buildProgram, hasGradients, isRounded, type ProgramSpec } from "./program.ts";
import { Programs, programLimit } from "./programs.ts";
import { modelTensors } from "./tensors.ts";
import { openWeightFiles } from "./weight-files.ts";

export interface BaseOptions extends Partial<Omit<EngineOptions, "precision">> {
  /**
   * Of products with frozen weights: f32 unless said otherwise. `auto`: int8 where it is known to be faster. `8bit` and
   * `4bit` keep the weights in so many bits, for reading and writing text; such a base trains nothing.
   */
  readonly precision?: Precision | "auto";
  /** Hears of a download from the hub. */
  readonly onDownload?: (event: HubEvent) => void;
  /** Ends a download from the hub; what is there is kept. */
  readonly signal?: AbortSignal;
}

/** What is known of a base before its weights are loaded. @internal */
export interface ReadBase {
  readonly name: string;
  readonly folder: string;
  readonly architecture: Architecture;
  readonly tokenizer: TextTokenizer;
  readonly endTokens: readonly number[];
  readonly fingerprint: BaseFingerprint;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** Reads everything of a base but its weights. Throws what `Base.load` does, but for the engine's. @internal */
export async function readBase(
  place: string,
  {
    onDownload,
    signal,
  }: {
    readonly onDownload?: BaseOptions["onDownload"] | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<ReadBase> {
  const folder = await findBase(place, { onEvent: onDownload, signal });
  const checkpoint = await openCheckpoint(folder);
  const architecture = readArchitecture(checkpoint.config);
  const tensors = modelTensors(checkpoint, architecture);
  const ends = await readEndTokens(checkpoint, architecture.vocabSize);
  const tokenizer = await loadTokenizer(folder, { ends, rows: architecture.vocabSize });
  if (tokenizer.vocabSize > architecture.vocabSize) {
    throw new TagllmError(
      "model/config",
      `The tokenizer of ${folder} has ${tokenizer.vocabSize} tokens, the model only ${architecture.vocabSize}.`,
      "Check that tokenizer.json belongs to this checkpoint.",
    );
  }
  const { eosId } = tokenizer;
  const endTokens = [...new Set(eosId === null ? ends : [...ends, eosId])];
  const name = repoOfSnapshot(folder) ?? basename(resolve(folder));
  const fingerprint = baseFingerprint({
    name,
    architecture: architecture.modelType,
    hiddenSize: architecture.hiddenSize,
    layers: architecture.layers,
    vocabSize: architecture.vocabSize,
    tokenizer: tokenizer.fingerprint,
    weights: await fingerprintTensors(tensors),
  });
  return { name, folder, architecture, tokenizer, endTokens, fingerprint, tensors };
}

const filesOf = ({ folder, tensors }: Pick<ReadBase, "folder" | "tensors">): string[] => [
  join(folder, "config.json"),
  ...new Set([...tensors.values()].map(({ file }) => file)),
];

export class Base {
  /** ORG/NAME of a base of the hub, else the name of its folder. */
  readonly name: string;
  readonly folder: string;
  /** What it is, by content; tags carry it, and refuse any other. */
  readonly fingerprint: BaseFingerprint;
  /** @internal */
  readonly architecture: Architecture;
  /** @internal */
  readonly tokenizer: TextTokenizer;
  /** Tokens that end a text. @internal */
  readonly endTokens: readonly number[];
  /** @internal */
  readonly engine: Engine;
  private readonly tensors: ReadonlyMap<string, TensorInfo>;
  private readonly programs: Programs;

  private constructor(parts: ReadBase & { readonly engine: Engine }) {
    this.name = parts.name;
    this.folder = parts.folder;
    this.architecture = parts.architecture;
    this.tokenizer = parts.tokenizer;
    this.endTokens = parts.endTokens;
    this.fingerprint = parts.fingerprint;
    this.engine = parts.engine;
    this.tensors = parts.tensors;
    this.programs = new Programs(
      (spec) => this.engine.compile(buildProgram(this.architecture, spec), isRounded(spec)),
      programLimit(this.architecture.layers, this.engine.threads),
    );
  }

  /**
   * Loads a folder in Hugging Face layout (config.json, tokenizer.json, *.safetensors), or a model of the hub by its
   * id (ORG/NAME, ORG/NAME@REVISION; docs/hub.md), into an engine, a thread of its own. The caller closes the base, or
   * the process does not end.
   *
   * @throws hub/*, weights/*, model/*, tokenizer/*, engine/start, engine/device, engine/memory, cache/file, aborted
   */
  static async load(place: string, { onDownload, signal, ...options }: BaseOptions = {}): Promise<Base> {
    const read = await readBase(place, { onDownload, signal });
    const { architecture, tensors } = read;
    const { precision: asked = "f32", device = "cpu" } = options;
    const precision = choosePrecision(asked, device, architecture.hiddenSize);
    const bits = weightBits(precision);
    const engine = await Engine.start({
      ...options,
      precision,
      ...(bits && { weightFiles: await openWeightFiles({ ...read, files: filesOf(read) }, bits) }),
    });
    try {
      await engine.load([...tensors].map(([tensor, info]) => ({ name: tensor, info })));
    } catch (e) {
      await engine.close();
      throw e;
    }
    return new Base({ ...read, engine });
  }

  /** Runs the program of a shape, compiled at its first use. @throws engine/* @internal */
  async run(
    spec: ProgramSpec,
    feeds: Record<string, Feed>,
    options?: RunOptions,
  ): Promise<Record<string, HostArray>> {
    if (hasGradients(spec.result)) requireGradients(this.engine.precision);
    return this.programs.run(spec, feeds, options);
  }

  /** config.json and the files of the weights: what numbers depend on. @internal */
  get files(): readonly string[] {
    return filesOf({ folder: this.folder, tensors: this.tensors });
  }

  /** The embedding table as f32, [vocab, hidden]: what a token is to the model, and a tag's row too. @internal */
  async embeddingRows(): Promise<Float32Array> {
    const { embedding, embeddingScale } = this.architecture;
    const info = this.tensors.get(embedding) as TensorInfo;
    const rows = toFloat32(await readTensor(info), info.dtype);
    return embeddingScale === 1 ? rows : rows.map((x) => x * embeddingScale);
  }

  /** Ends the engine; whatever still runs on it fails with engine/closed. */
  close(): Promise<void> {
    return this.engine.close();
  }
}
