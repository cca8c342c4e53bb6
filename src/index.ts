/**
 * The library: what the command line does, as functions. Nothing here prints; errors are TagllmErrors.
 *
 * Learn:   const base = await Base.load(defaultBase);
 *          const report = await runStudy(await prepareStudy(await loadStudy("study.yaml"), base), { out: "runs/a" });
 * Use:     await predict(base, await openTags("runs/a/tags"), "Solubility", [{ smiles: "CCO" }]);
 * End:     await base.close();
 */
export { readRows, type SourceSpec, type Table } from "./data/source.ts";
export { type ErrorCode, errorCodes, TagllmError } from "./errors.ts";
export { type LearnEvent, type Learned, type LearnOptions, learn } from "./learn/learn.ts";
export { Base } from "./models/base.ts";
export { defaultBase } from "./models/default-base.ts";
export { supportedFamilies } from "./models/families.ts";
export type { BaseFingerprint } from "./models/fingerprint.ts";
export type { Piece, Prompt, Slot, Span } from "./prompts/prompt.ts";
export { type LoadedStudy, loadStudy, parseStudy } from "./study/load.ts";
export { type Prediction, type PredictOptions, predict } from "./study/predict.ts";
export { type PreparedStudy, planStudy, prepareStudy, type StagePlan } from "./study/prepare.ts";
export { formatReport, type Report } from "./study/report.ts";
export { type RunOptions, runStudy, type StudyEvent } from "./study/run.ts";
export { type Study, studySchema } from "./study/schema.ts";
export { loadTag, saveTag } from "./tags/file.ts";
export { type ListedTag, listTags, openTags } from "./tags/library.ts";
export { type Head, type Scaling, type Tag, tagDigest } from "./tags/tag.ts";
export { version } from "./version.ts";
