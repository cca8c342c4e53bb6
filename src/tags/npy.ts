/**
 * The .npy format of numpy (versions 1, 2 and 3), as far as vectors need it: matrices of 16, 32 or 64 bit floats.
 * The header is a Python dict literal; it is read with a grammar of its own, never evaluated, and nothing it says
 * is believed before the file's size agrees. Arrays of Python objects are pickles, which run code: refused.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type ErrorCode, TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { type Dtype, toFloat32 } from "../weights/dtypes.ts";

/** [rows, width], row after row. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  readonly values: Float32Array;
}

interface NpyHeader {
  readonly dtype: Dtype;
  readonly bytes: number;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

const MAGIC = Buffer.from("\x93NUMPY", "latin1");
/** As numpy itself has it; a matrix needs 128. */
const LONGEST_HEADER = 10_000;
const MOST_NUMBERS = 1 << 28;
const dtypes: Readonly<Record<string, readonly [Dtype, number]>> = {
  "<f2": ["F16", 2],
  "<f4": ["F32", 4],
  "<f8": ["F64", 8],
};
const damagedCure = "Save it again in Python: np.save(FILE, vectors.astype('float32')).";

/** @throws import/missing, import/npy, import/pickle, import/dtype, import/shape */
export async function readNpy(file: string): Promise<Matrix> {
  const handle = await openForeign(file);
  try {
    const size = (await handle.stat()).size;
    const fail = (problem: string) => new TagllmError("import/npy", `${file}: ${problem}.`, damagedCure);
    const { text, end } = await readHeaderText(handle, size, fail);
    const header = checkHeader(parseDict(text, fail), file, fail);
    const [rows, width] = matrixShape(header.shape, file);
    const bytes = rows * width * header.bytes;
    if (size - end !== bytes) {
      const shape = `shape (${header.shape.join(", ")}) in ${header.dtype} takes ${bytes} bytes`;
      throw fail(`${shape}, and ${size - end} follow the header`);
    }
    const data = await readAt(handle, end, bytes, fail);
    const values = toFloat32(data, header.dtype);
    return { rows, width, values: header.fortran ? transposed(values, rows, width) : values };
  } finally {
    await handle.close();
  }
}

/** The bytes that numpy's `np.save` writes for a float32 matrix. */
export function encodeNpy({ rows, width, values }: Matrix): Uint8Array {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${width}), }`;
  const length = Math.ceil((10 + dict.length + 1) / 64) * 64 - 10;
  const file = Buffer.alloc(10 + length + values.byteLength, " ");
  MAGIC.copy(file);
  file.set([1, 0], 6);
  file.writeUInt16LE(length, 8);
  file.write(dict, 10, "latin1");
  file.write("\n", 10 + length - 1);
  file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 10 + length);
  return file;
}

/** Opens a regular file of another program; never waits for a pipe. */
export async function openForeign(file: string): Promise<FileHandle> {
  const fail = (problem: string, code: ErrorCode, cause?: unknown) =>
    new TagllmError(code, `${problem}.`, "Give a .npy file, or the folder of a PEFT adapter.", { cause });
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((cause) => {
    const { code } = cause as NodeJS.ErrnoException;
    throw code === "ENOENT" || code === "ENOTDIR"
      ? fail(`There is no file ${file}`, "import/missing", cause)
      : fail(`${file} cannot be opened (${code})`, "import/missing", cause);
  });
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw fail(`${file} is not a file`, "import/format");
}

type Fail = (problem: string) => TagllmError;

async function readAt(handle: FileHandle, from: number, length: number, fail: Fail): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, from + done);
    if (bytesRead === 0) throw fail(`it ends at byte ${from + done}`);
    done += bytesRead;
  }
  return bytes;
}

async function readHeaderText(
  handle: FileHandle,
  size: number,
  fail: Fail,
): Promise<{ text: string; end: number }> {
  if (size < 12) throw fail(`it has ${size} bytes, which is no .npy file`);
  const start = Buffer.from(await readAt(handle, 0, 12, fail));
  if (!start.subarray(0, 6).equals(MAGIC)) throw fail("it does not begin as a .npy file does");
  const [major, minor] = [start[6] as number, start[7]];
  if (major < 1 || major > 3 || minor !== 0)
    throw fail(`it has the version ${major}.${minor}; there are 1.0, 2.0 and 3.0`);
  const length = major === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  const begin = major === 1 ? 10 : 12;
  if (length > LONGEST_HEADER) throw fail(`its header has ${length} bytes; the limit is ${LONGEST_HEADER}`);
  if (begin + length > size) throw fail(`its header has ${length} bytes, and ${size - begin} follow`);
  const bytes = await readAt(handle, begin, length, fail);
  try {
    const text =
      major === 3
        ? new TextDecoder("utf-8", { fatal: true }).decode(bytes)
        : Buffer.from(bytes).toString("latin1");
    return { text, end: begin + length };
  } catch {
    throw fail("its header is not valid UTF-8");
  }
}

type Literal = string | boolean | readonly number[] | "other";

/** `{'key': 'text' | True | False | (1, 2)}` and blanks; the start of anything else is named. */
function parseDict(text: string, fail: Fail): ReadonlyMap<string, Literal> {
  const entries = new Map<string, Literal>();
  let rest = text;
  const take = (pattern: RegExp): string | null => {
    rest = rest.replace(/^[ \t\n]+/, "");
    const found = pattern.exec(rest)?.[0] ?? null;
    if (found !== null) rest = rest.slice(found.length);
    return found;
  };
  const expect = (pattern: RegExp, what: string): string => {
    const found = take(pattern);
    if (found !== null) return found;
    throw fail(`its header should have ${what} at ${quote(rest.slice(0, 30))}`);
  };
  const string = /^(?:'[^'"\\\n]*'|"[^'"\\\n]*")/;
  const value = (key: string): Literal => {
    const word = take(string);
    if (word !== null) return word.slice(1, -1);
    const truth = take(/^(?:True|False)\b/);
    if (truth !== null) return truth === "True";
    if (key === "descr" && /^\[/.test(rest)) return "other";
    expect(/^\(/, `a value of ${key}`);
    const numbers: number[] = [];
    while (take(/^\)/) === null) {
      const digits = expect(/^\d{1,15}(?![\dA-Za-z_.])/, "a whole number");
      numbers.push(Number(digits));
      if (take(/^,/) !== null) continue;
      expect(numbers.length === 1 ? /^(?!)/ : /^\)/, "a comma or an end of the shape");
      break;
    }
    return numbers;
  };
  expect(/^\{/, "a dict");
  while (take(/^\}/) === null) {
    const key = expect(string, "a key").slice(1, -1);
    if (entries.has(key)) throw fail(`its header has ${quote(key)} twice`);
    expect(/^:/, `a colon after ${quote(key)}`);
    const read = value(key);
    entries.set(key, read);
    if (read === "other") return entries;
    if (take(/^,/) !== null) continue;
    expect(/^\}/, "a comma or a closing brace");
    break;
  }
  if (rest.trim() !== "") throw fail(`its header goes on after the dict: ${quote(rest.trim())}`);
  return entries;
}

function checkHeader(entries: ReadonlyMap<string, Literal>, file: string, fail: Fail): NpyHeader {
  const descr = entries.get("descr");
  if (typeof descr === "string" && /^[|<>=]?O/.test(descr)) throw pickled(file, "an array of Python objects");
  const dtype = typeof descr === "string" && Object.hasOwn(dtypes, descr) ? dtypes[descr] : undefined;
  if (descr !== undefined && dtype === undefined) {
    const found = descr === "other" ? "a record of several fields" : quote(String(descr));
    throw new TagllmError(
      "import/dtype",
      `${file} holds ${found}, not little-endian floats of 16, 32 or 64 bits.`,
      "Convert it in Python: np.save(FILE, np.load(FILE).astype('<f4')).",
    );
  }
  const unknown = [...entries.keys()].find((key) => !["descr", "fortran_order", "shape"].includes(key));
  if (unknown !== undefined) throw fail(`its header has the unknown key ${quote(unknown)}`);
  const fortran = entries.get("fortran_order");
  const shape = entries.get("shape");
  if (dtype === undefined) throw fail("its header has no descr");
  if (typeof fortran !== "boolean") throw fail("its header has no fortran_order that is True or False");
  if (!Array.isArray(shape)) throw fail("its header has no shape that is a tuple");
  return { dtype: dtype[0], bytes: dtype[1], fortran, shape: shape as number[] };
}

/** Whoever can pickle can run code in the reader; there is no safe way to look inside. */
export function pickled(file: string, what: string): TagllmError {
  return new TagllmError(
    "import/pickle",
    `${file} is ${what}, stored as a pickle, which can run code when it is loaded.`,
    "In Python, where you trust the file: np.save('tag.npy', vectors.detach().float().cpu().numpy()).",
  );
}

/** [p, d] or [1, p, d]. */
function matrixShape(shape: readonly number[], file: string): readonly [number, number] {
  const [rows, width] =
    shape.length === 3 && shape[0] === 1 ? shape.slice(1) : shape.length === 2 ? shape : [];
  if (rows && width && rows * width <= MOST_NUMBERS) return [rows, width];
  throw new TagllmError(
    "import/shape",
    `${file} has the shape (${shape.join(", ")}), not (vectors, width) or (1, vectors, width).`,
    "Save one tag as a matrix with a row for each of its vectors.",
  );
}

function transposed(values: Float32Array, rows: number, width: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < width; c++) out[r * width + c] = values[c * rows + r] as number;
  return out;
}
