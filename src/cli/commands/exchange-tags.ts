/** `tagllm tags import|export`: tags from and for other programs. */
import { defaultBase } from "../../models/default-base.ts";
import { type ExportFormat, exportTag, importTag, leftBehind } from "../../tags/exchange.ts";
import { loadTag } from "../../tags/file.ts";
import type { Io } from "../io.ts";
import { withBase } from "../open-study.ts";
import type { Result } from "../result.ts";

export interface ImportChoice {
  name?: string;
  kind?: "domain" | "function";
  into?: string;
  base?: string;
  template?: string;
  answer?: "text";
  output?: string;
  splitCharacters?: boolean;
  isolate?: boolean;
  bos?: boolean;
}

export async function importFile(io: Io, path: string, choice: ImportChoice): Promise<Result> {
  const { name, kind, into = ".", base: folder = defaultBase, template, answer, output } = choice;
  const { splitCharacters, isolate, bos } = choice;
  return withBase(folder, {}, io, async (base) => {
    const { file, tag, warnings } = await importTag(path, base, {
      name: name!,
      kind: kind!,
      into,
      ...(template !== undefined && { template }),
      ...(answer !== undefined && { answer }),
      ...(output !== undefined && { output }),
      ...(splitCharacters !== undefined && { splitCharacters }),
      ...(isolate !== undefined && { isolate }),
      ...(bos !== undefined && { bos }),
    });
    for (const warning of warnings) io.progress.note(`warning: ${warning}`);
    const text = `${tag.name}, a ${tag.kind} tag of ${tag.length} vectors for ${base.name}: ${file}`;
    return {
      text,
      json: { file, tag: tag.name, kind: tag.kind, length: tag.length, width: tag.width, warnings },
    };
  });
}

export async function exportFile(
  io: Io,
  file: string,
  { format, out }: { format?: ExportFormat; out?: string },
): Promise<Result> {
  const tag = await loadTag(file);
  await exportTag(tag, format!, out!);
  const left = leftBehind(tag);
  if (left.length > 0) io.progress.note(`Only the vectors of ${tag.name} are in it, not ${left.join(", ")}.`);
  const text = `${tag.length} vectors of ${tag.width} numbers: ${out}`;
  return { text, json: { tag: tag.name, format, out, length: tag.length, width: tag.width, left } };
}
