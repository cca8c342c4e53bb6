/** The files that a tag was made from, as its provenance says; it may say anything, and less. */
export interface TrainingFile {
  readonly file: string;
  readonly sha256: string;
}

export function trainingFiles({ data }: Readonly<Record<string, unknown>>): TrainingFile[] {
  return Array.isArray(data) ? data.filter(isTrainingFile) : [];
}

function isTrainingFile(entry: unknown): entry is TrainingFile {
  const { file, sha256 } = (entry ?? {}) as Record<string, unknown>;
  return typeof file === "string" && typeof sha256 === "string";
}
