/**
 * The safetensors format (https://huggingface.co/docs/safetensors), read and written by hand: 8 bytes of header
 * length, a JSON header, the bytes of the tensors. Only the header is read to open a file; a tensor's bytes are
 * read when asked for. Nothing a file says is believed before it is checked against the file's real size.
 * Not here: which tensors a model needs (models/), which files a checkpoint has (checkpoint.ts).
 */

import { constants as bufferLimits } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { byteSize, type Dtype, dtypeBits, isDtype } from "./dtypes.ts";
import { checkLayout, parseHeader } from "./header.ts";

export { type Dtype, toFloat32 } from "./dtypes.ts";

/** Where a tensor lies: bytes `begin` (included) to `end` (excluded) of `file`, a path without symlinks. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly file: string;
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

const LARGEST_HEADER = 100_000_000;
const LARGEST_READ = 1 << 30;
const READ_ONLY = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Reads and checks the header of `file`. Throws the weights/* errors that say what is wrong with it. */
export async function readHeader(file: string): Promise<SafetensorsHeader> {
  const handle = await openWeights(file);
  try {
    const size = await regularFileSize(handle, file);
    const headerLength = await readHeaderLength(handle, size, file);
    const text = decodeHeader(await readBytes(handle, 8, 8 + headerLength, file), file);
    const { tensors, metadata } = parseHeader(text, file);
    const dataStart = 8 + headerLength;
    checkLayout(tensors, size - dataStart, file);
    const path = await realpath(file);
    const located = tensors.map(({ name, dtype, shape, begin, end }): [string, TensorInfo] => [
      name,
      { name, dtype, shape, file: path, begin: dataStart + begin, end: dataStart + end },
    ]);
    return { file: path, tensors: new Map(located), metadata };
  } finally {
    await handle.close();
  }
}

/** The stored bytes of a tensor. Throws weights/truncated when the file has shrunk since its header was read. */
export async function readTensor(info: TensorInfo): Promise<Uint8Array> {
  const handle = await openWeights(info.file);
  try {
    checkStillWhole(info, await regularFileSize(handle, info.file));
    return await readBytes(handle, info.begin, info.end, info.file);
  } finally {
    await handle.close();
  }
}

/** Throws weights/truncated when the file of a tensor has shrunk since its header was read. */
export function checkWholeSync(info: TensorInfo): void {
  let size: number;
  try {
    size = statSync(info.file).size;
  } catch (error) {
    throw fileProblem(error, info.file);
  }
  checkStillWhole(info, size);
}

/** `readTensor` for a worker thread that may block; `fd`, when given, is an open descriptor of `info.file`. */
export function readTensorSync(info: TensorInfo, fd?: number): Uint8Array {
  let descriptor: number;
  try {
    descriptor = fd ?? openSync(info.file, READ_ONLY);
  } catch (error) {
    throw fileProblem(error, info.file);
  }
  try {
    checkStillWhole(info, fstatSync(descriptor).size);
    const bytes = new Uint8Array(info.end - info.begin);
    let done = 0;
    while (done < bytes.length) {
      const length = Math.min(bytes.length - done, LARGEST_READ);
      const read = readSync(descriptor, bytes, done, length, info.begin + done);
      if (read === 0) throw shrunk(info.file, info.begin + done, info.end);
      done += read;
    }
    return bytes;
  } finally {
    if (fd === undefined) closeSync(descriptor);
  }
}

/** Bytes `begin` to `end` of an open file, which must have them. */
export async function readBytes(
  handle: FileHandle,
  begin: number,
  end: number,
  file: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - begin);
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(bytes.length - done, LARGEST_READ);
    const { bytesRead } = await handle.read(bytes, done, length, begin + done);
    if (bytesRead === 0) throw shrunk(file, begin + done, end);
    done += bytesRead;
  }
  return bytes;
}

/** Opens a weight file without ever waiting for one (a named pipe is refused later, not waited for). */
export async function openWeights(file: string): Promise<FileHandle> {
  try {
    return await open(file, READ_ONLY);
  } catch (error) {
    throw fileProblem(error, file);
  }
}

/**
 * The bytes of a safetensors file, laid out as the reference does: widest dtypes first, then by name (so that every
 * tensor is aligned), the header padded with spaces to 8 bytes. Same input, same bytes.
 * Throws weights/dtype, weights/size or weights/header-json when a tensor is not what it says.
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, { dtype: Dtype; shape: readonly number[]; data: ArrayBufferView }>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const order = Object.keys(dtypeBits);
  const sorted = Object.entries(tensors).sort(
    ([nameA, a], [nameB, b]) => order.indexOf(b.dtype) - order.indexOf(a.dtype) || (nameA < nameB ? -1 : 1),
  );
  const header: [string, unknown][] = [];
  if (metadata !== undefined) header.push(["__metadata__", sortedByKey(metadata)]);
  let end = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    checkEncodable(name, dtype, shape, data);
    const begin = end;
    end += data.byteLength;
    header.push([name, { dtype, shape, data_offsets: [begin, end] }]);
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const headerLength = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerLength + end).fill(0x20, 8, 8 + headerLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.set(json, 8);
  let at = 8 + headerLength;
  for (const [, { data }] of sorted) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

function sortedByKey(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function checkEncodable(name: string, dtype: string, shape: readonly number[], data: ArrayBufferView): void {
  if (name === "__metadata__") {
    throw new TagllmError("weights/header-json", `No tensor may be called ${quote(name)}.`, "Rename it.");
  }
  if (!isDtype(dtype)) {
    throw new TagllmError(
      "weights/dtype",
      `Tensor ${quote(name)} has the unknown dtype ${quote(dtype)}.`,
      `Use one of ${Object.keys(dtypeBits).join(", ")}.`,
    );
  }
  if (byteSize(dtype, shape) !== data.byteLength) {
    throw new TagllmError(
      "weights/size",
      `Tensor ${quote(name)} has ${data.byteLength} bytes, which is not shape [${shape}] in ${dtype}.`,
      "Give the shape of the data.",
    );
  }
}

async function regularFileSize(handle: FileHandle, file: string): Promise<number> {
  const stat = await handle.stat();
  if (stat.isFile()) return stat.size;
  throw new TagllmError(
    "weights/unreadable",
    `${file} is ${stat.isDirectory() ? "a folder" : "a device or pipe"}, not a file.`,
    "Give the path of a .safetensors file.",
  );
}

async function readHeaderLength(handle: FileHandle, size: number, file: string): Promise<number> {
  if (size < 8) {
    throw new TagllmError(
      "weights/truncated",
      `${file} has ${size} bytes; a safetensors file starts with 8 bytes of header length.`,
      "Download or copy the file again.",
    );
  }
  const bytes = await readBytes(handle, 0, 8, file);
  const length = new DataView(bytes.buffer).getBigUint64(0, true);
  if (length > 0n && length <= LARGEST_HEADER && length <= size - 8) return Number(length);
  const why =
    length === 0n
      ? "there is no header without bytes"
      : length > LARGEST_HEADER
        ? `the limit is ${LARGEST_HEADER}`
        : `only ${size - 8} bytes follow`;
  throw new TagllmError(
    "weights/header-size",
    `${file} says that its header has ${length} bytes, but ${why}.`,
    "Check that this is a safetensors file (not a pickle, GGUF or Git LFS pointer), and download it again.",
  );
}

function decodeHeader(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new TagllmError(
      "weights/header-json",
      `${file}: the header is not valid UTF-8.`,
      "Check that this is a safetensors file, and download it again.",
      { cause },
    );
  }
}

function checkStillWhole(info: TensorInfo, fileSize: number): void {
  if (info.end > fileSize) throw shrunk(info.file, fileSize, info.end);
  if (info.end - info.begin > bufferLimits.MAX_LENGTH) {
    throw new TagllmError(
      "weights/size",
      `${info.file}: tensor ${quote(info.name)} has ${info.end - info.begin} bytes, more than this Node.js can hold in one array.`,
      "Use a newer Node.js.",
    );
  }
}

function shrunk(file: string, endsAt: number, needed: number): TagllmError {
  return new TagllmError(
    "weights/truncated",
    `${file} ends at byte ${endsAt}, but a tensor reaches to byte ${needed}: the file has changed since it was opened.`,
    "Do not replace weight files while they are in use; start again.",
  );
}

function fileProblem(error: unknown, file: string): TagllmError {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  if (reason === "ENOENT" || reason === "ENOTDIR") {
    return new TagllmError("weights/missing", `There is no file ${file}.`, "Check the path.", {
      cause: error,
    });
  }
  return new TagllmError(
    "weights/unreadable",
    `${file} cannot be opened (${reason}).`,
    "Check the path and its permissions.",
    { cause: error },
  );
}
