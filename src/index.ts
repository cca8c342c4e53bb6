/**
 * The library: what the command line does, as functions. docs/api.md shows how they are used; the types below say
 * shapes, units and errors. Nothing here prints; every error is a TagllmError.
 */

export type { Reuse } from "./batch/layout.ts";
export type { RunnerProgress } from "./batch/runner.ts";
export { BlockStore, type StoreOptions } from "./batch/store.ts";
export type { Digest, FileRecord } from "./data/file.ts";
export type { FilesRead, FilesSpec, RowRange } from "./data/files.ts";
export type { DataFormat } from "./data/formats.ts";
export type { JoinSpec } from "./data/join.ts";
export {
  type RowBatch,
  readRows,
  type SourceRead,
  type SourceSpec,
  streamRows,
  type Table,
} from "./data/source.ts";
export type { QuerySpec } from "./data/sql.ts";
export type { Dropped } from "./data/step.ts";
export type { Precision } from "./engine/precision.ts";
export type { EngineOptions } from "./engine/protocol.ts";
export { type ErrorCode, errorCodes, TagllmError } from "./errors.ts";
export type { OutlierDetector } from "./evaluate/outliers.ts";
export type { BeamOptions } from "./generate/beams.ts";
export {
  type Generated,
  type GenerateEvent,
  type GenerateOptions,
  generate,
  generateStream,
} from "./generate/generate.ts";
export type { GeneratePrompt } from "./generate/prompts.ts";
export type { Sampling } from "./generate/sampling.ts";
export type { TextSettings } from "./generate/settings.ts";
export type { WrittenText } from "./generate/write.ts";
export type { Finish } from "./generate/writer.ts";
export type { Device } from "./graph/lower.ts";
export { type PulledModel, type PullOptions, pullModel } from "./hub/model.ts";
export type { HubEvent, HubOptions } from "./hub/snapshot.ts";
export type { Pushed, PushOptions } from "./hub/upload.ts";
export type { ColumnView } from "./learn/columns.ts";
export type { AnswerKind, Input, Recipe, Renamed } from "./learn/compose.ts";
export { type LearnEvent, type Learned, type LearnOptions, learn } from "./learn/learn.ts";
export type { Choice, Trial } from "./learn/search.ts";
export { Base, type BaseOptions } from "./models/base.ts";
export { defaultBase } from "./models/default-base.ts";
export { supportedFamilies } from "./models/families.ts";
export type { BaseFingerprint } from "./models/fingerprint.ts";
export type { Message, TemplateSource } from "./prompts/template.ts";
export { writeReport } from "./report/write.ts";
export type { QualityReport } from "./study/audit.ts";
export type { Finding } from "./study/clean.ts";
export type { Sign } from "./study/diagnosis.ts";
export { evaluateTag } from "./study/evaluate.ts";
export type {
  EvaluateOptions,
  Evaluation,
  MetricInterval,
  MetricIntervals,
  OutputEvaluation,
} from "./study/evaluation.ts";
export type { Leakage, LeakExample, SideLeak } from "./study/leakage.ts";
export { type LoadedStudy, loadStudy, parseStudy } from "./study/load.ts";
export type { MethodResult, Metrics } from "./study/methods.ts";
export { type Prediction, type PredictOptions, predict } from "./study/predict.ts";
export { type PreparedStudy, planStudy, prepareStudy, type StagePlan } from "./study/prepare.ts";
export { formatReport, type Report, type StageReport, type TaskReport } from "./study/report.ts";
export type { Stored } from "./study/reuse.ts";
export { type RunOptions, runStudy, type StudyEvent } from "./study/run.ts";
export { type Study, studySchema } from "./study/schema.ts";
export type { Side } from "./study/sources.ts";
export type { TaskKind } from "./study/tasks.ts";
export type { Copied } from "./tags/change-library.ts";
export { loadTag, saveTag } from "./tags/file.ts";
export {
  type PulledTags,
  type PullTagsOptions,
  type PushedTags,
  type PushTagsOptions,
  pullTags,
  pushTags,
} from "./tags/hub.ts";
export { type ListedTag, listTags, openTags } from "./tags/library.ts";
export { type Head, type Scaling, type Tag, tagDigest } from "./tags/tag.ts";
export type { TrainEvent, Validation } from "./train/trainer.ts";
export { version } from "./version.ts";
