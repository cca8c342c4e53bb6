/**
 * Every error a user can meet: a stable code, the offending value, the cure.
 * The table says what each code means (docs/errors.md is generated from it); the message, which names
 * the value at hand, is written where the error is found.
 */

export const errorCodes = {
  "weights/missing": "A checkpoint folder or one of its weight files does not exist.",
  "weights/truncated": "A safetensors file ends before the data its header promises.",
  "weights/header-size": "A safetensors header length is zero, over 100 MB or beyond the end of the file.",
  "weights/header-json": "A safetensors header is not the JSON object the format asks for.",
  "weights/tensor-count": "A safetensors header lists an absurd number of tensors.",
  "weights/offsets": "A tensor's byte range is negative, reversed, fractional or outside the file.",
  "weights/overlap": "Byte ranges of tensors overlap or leave holes.",
  "weights/size": "A tensor's byte range does not hold its shape and dtype.",
  "weights/dtype": "A tensor is stored in a dtype that cannot be read as a weight.",
  "weights/shape": "A tensor does not have the shape that the model's config asks for.",
  "weights/tensor-missing": "A tensor the model needs is not in the checkpoint.",
  "weights/index": "model.safetensors.index.json is damaged or names files outside its folder.",
  "tokenizer/missing": "A checkpoint folder has no tokenizer.json.",
  "tokenizer/invalid": "tokenizer.json or tokenizer_config.json cannot be read.",
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof errorCodes;

export class TagllmError extends Error {
  readonly code: ErrorCode;
  /** What is wrong, naming the offending value. */
  readonly problem: string;
  /** What the user can do about it. */
  readonly cure: string;

  constructor(code: ErrorCode, problem: string, cure: string, options?: { cause?: unknown }) {
    super(`${problem} ${cure}`, options);
    this.name = "TagllmError";
    this.code = code;
    this.problem = problem;
    this.cure = cure;
  }
}
