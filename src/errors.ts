/**
 * Every error a user can meet: a stable code, the offending value, the cure.
 * The table says what each code means (docs/errors.md is generated from it); the message, which names
 * the value at hand, is written where the error is found.
 */

export const errorCodes = {
  "weights/missing": "A checkpoint folder or one of its weight files does not exist.",
  "weights/unreadable": "A weight file exists but is not a regular file or may not be read.",
  "weights/pickle": "A checkpoint holds only pickled weights, which tagllm does not read.",
  "weights/truncated": "A safetensors file ends before the data its header promises.",
  "weights/header-size": "A safetensors header length is zero, over 100 MB or beyond the end of the file.",
  "weights/header-json": "A safetensors header is not the JSON object the format asks for.",
  "weights/tensor-count": "A safetensors header lists an absurd number of tensors.",
  "weights/offsets": "A tensor's byte range is negative, reversed, fractional or outside the file.",
  "weights/overlap": "Byte ranges of tensors overlap or leave holes.",
  "weights/dims": "A tensor's shape has a negative, fractional or absurd dimension.",
  "weights/size": "A tensor's byte range does not hold its shape and dtype.",
  "weights/dtype": "A tensor is stored in a dtype that cannot be read as a weight.",
  "weights/shape": "A tensor does not have the shape that the model's config asks for.",
  "weights/tensor-missing": "A tensor the model needs is not in the checkpoint.",
  "weights/index": "model.safetensors.index.json is damaged or names files outside its folder.",
  "model/not-a-folder": "A checkpoint was given as a file instead of the folder that holds it.",
  "model/config-missing": "A checkpoint folder has no config.json.",
  "model/config-json": "A checkpoint's config.json is not a JSON object.",
  "tokenizer/missing": "A checkpoint folder has no tokenizer.json.",
  "tokenizer/invalid": "tokenizer.json or tokenizer_config.json cannot be read.",
  "tokenizer/unknown-text": "A text has a character for which the tokenizer has no token.",
  "tokenizer/id": "A number was given as a token id that the tokenizer does not have.",
  "prompts/empty": "A template, or the prompt made from it, has no content.",
  "prompts/unclosed": "A template opens `<` or `{` and never closes it on that line.",
  "prompts/stray": "A template has a `>` or `}` that closes nothing.",
  "prompts/name": "A template has a tag or field whose name is empty or not allowed.",
  "prompts/escape": "A template ends in a backslash or escapes a character that needs no escape.",
  "prompts/unknown-tag": "A template names a tag that does not exist.",
  "prompts/unknown-field": "A template names a field that is not a column of the data.",
  "prompts/two-function-tags": "A template has more than one function tag.",
  "prompts/function-tag": "Something other than the target or one literal follows a function tag.",
  "prompts/target": "A template's target does not stand directly after its function tag.",
  "prompts/no-target": "A text target is asked for and the template has none.",
  "prompts/missing-field": "A row of data has no value for a field of the template.",
  "prompts/empty-field": "A row of data has an empty value for a field of the template.",
  "prompts/too-long": "A prompt does not fit its limit of tokens, even with its data fields trimmed.",
  "prompts/control-token": "A prompt asks for a BOS or EOS token that the tokenizer does not have.",
  "tag/missing": "A tag file or a folder of tags does not exist.",
  "tag/damaged": "A tag file cannot be read as safetensors.",
  "tag/not-a-tag": "A safetensors file holds something other than a tag.",
  "tag/version": "A tag file was written in a format version that this tagllm does not know.",
  "tag/metadata": "A tag's metadata has an unknown, missing or invalid entry.",
  "tag/kind": "A tag is neither a domain nor a function tag, or has what only the other kind may have.",
  "tag/name": "A tag's name is not allowed or differs from its file's name.",
  "tag/tensors": "A tag file lacks a tensor or has one that no tag has.",
  "tag/dtype": "A tensor of a tag is not stored as F32.",
  "tag/shape": "A tag's tensors do not have the sizes that its metadata promises.",
  "tag/not-finite": "A tag holds a number that is NaN or infinite.",
  "tag/write": "A tag file could not be written.",
  "tag/duplicate": "Two tags have the same name.",
  "tag/unknown": "No tag has the name that was asked for.",
  "tag/wrong-base": "A tag was trained on another base model.",
  "tag/changed": "A function tag was trained beside another version of a domain tag.",
  "tag/init": "A tag cannot be initialised as asked.",
  "import/missing": "A file to import does not exist or may not be read.",
  "import/format": "A file to import is neither a .npy file nor a PEFT adapter.",
  "import/pickle": "A file to import is a pickle, which can run code and is never read.",
  "import/npy": "A .npy file is damaged.",
  "import/dtype": "Vectors to import are not stored as floating-point numbers that can be read.",
  "import/shape": "Vectors to import are no matrix, or do not fit the base.",
  "import/peft": "A PEFT adapter is damaged or does not live in the input embeddings.",
  "import/answer": "A tag is imported as something that its vectors alone cannot be.",
  "graph/operator": "A graph uses an operator that the builder does not know.",
  "graph/shape": "An operator's inputs do not fit together.",
  "graph/no-gradient": "Something on the way from the trained values to the loss cannot be differentiated.",
  "engine/start": "onnxruntime could not be loaded or has no kernel library for this platform.",
  "engine/device": "The requested device is not available on this machine.",
  "engine/compile": "onnxruntime refused a graph.",
  "engine/run": "onnxruntime failed while running a graph.",
  "engine/memory": "The machine has too little memory for what was asked.",
  "engine/closed": "The engine was used after it was closed, or its worker died.",
  "model/config": "config.json lacks a setting or has one that cannot be honoured.",
  "model/unsupported": "config.json names a model family that is not supported.",
  "train/diverged": "Loss or gradient stopped being finite numbers.",
  "model/seen": "A base's seen.json is damaged.",
  "study/missing": "The study file does not exist or is not a file.",
  "study/yaml": "The study file is not valid YAML.",
  "study/invalid": "A setting of the study has a wrong value or contradicts another.",
  "study/name": "The study uses a name that it does not define.",
  "study/order": "The stages cannot be put in an order, or one uses a tag that nothing trained before.",
  "study/data": "The rows of a study cannot be learned from as they are.",
  "study/leaks":
    "Inputs of test or validation rows are also in training, where the study says that this is an error.",
  "study/rows":
    "Rows are faulty, or repeat or contradict others, where the study says that this is an error.",
  "cache/file": "A file of stored keys and values cannot be written or read.",
  "predict/not-a-function": "Prediction was asked of a tag that is not a trained function tag.",
  "run/folder": "The run folder cannot be used.",
  "run/changed": "A run folder holds a run of another study, base, data or version.",
  "run/locked": "Another process is at work in the run folder.",
  "run/write": "The run folder cannot be written; what was written before is kept.",
  "run/checkpoint": "The checkpoint of a run is damaged.",
  "run/damaged": "A file of a run is damaged.",
  "run/not-a-run": "A folder holds no run.",
  "run/unfinished": "A run has no report yet.",
  aborted: "The work was interrupted by the caller.",
  "data/missing": "A data file does not exist.",
  "data/not-a-file": "The path of a data file is a folder, a device or a pipe.",
  "data/unreadable": "A data file cannot be opened.",
  "data/too-large": "A table, or a single row, is too large to be held in memory.",
  "data/empty": "A data file has no rows.",
  "data/binary": "A data file is not UTF-8 text.",
  "data/gzip": "A .gz file is damaged, cut off or no gzip, or unpacks to absurdly much.",
  "data/parquet": "A Parquet file is damaged or none.",
  "data/duckdb": "DuckDB, which reads Parquet and runs SQL, cannot be loaded on this machine.",
  "data/format": "The format of a data file is not given and cannot be told from its extension.",
  "data/ragged": "A row has more or fewer fields than the header.",
  "data/quote":
    "A quote in a CSV or TSV file is never closed, or ends on a later line in the middle of a value.",
  "data/json": "A line of a JSON lines file is not an object that can be read exactly.",
  "data/fasta":
    "A FASTA file has text before its first name, a name without a sequence, or a sequence with strange characters.",
  "data/files": "The files of one source do not have the same columns.",
  "data/join": "A row's key is not in the file that is joined, or is there twice.",
  "data/sql": "`where` or `select` is not one SQL expression over a row, or fails on one.",
  "data/column": "A column that is asked for is not in the data.",
  "data/duplicate-column": "Two columns have the same name.",
  "data/rows": "A range of rows is empty, reversed or outside the file.",
  "data/split": "A split is not possible with this data.",
  "evaluate/input": "Features and targets of a regression do not fit together or are not finite.",
  "predict/write": "A table of predictions could not be written.",
  usage: "A command line was not understood (exit code 2).",
  system: "The operating system refused to read or write something.",
  internal: "Something failed that should not: a defect of tagllm.",
  "demo/size": "The demo cannot make as many molecules or pairs as asked.",
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
