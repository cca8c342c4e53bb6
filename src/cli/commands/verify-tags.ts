/** `tagllm tags verify`: whether tag files are fit for use. */
import { defaultBase } from "../../models/default-base.ts";
import { type TagCheck, type VerifiedTag, verifyTags } from "../../study/verify-tags.ts";
import type { Io } from "../io.ts";
import { type EngineChoice, withBase } from "../open-study.ts";
import type { Result } from "../result.ts";
import { properties } from "../table.ts";

const marks: Record<TagCheck["state"], string> = { ok: "ok", wrong: "--", open: "??" };

export async function verify(
  io: Io,
  path: string,
  { base: folder, ...choice }: EngineChoice & { base?: string },
): Promise<Result> {
  const signal = io.signal();
  const tags = await withBase(folder ?? defaultBase, { ...choice, signal }, io, (base) =>
    verifyTags(path, base, { signal, anyBase: folder === undefined }),
  );
  const ok = tags.every((tag) => tag.ok);
  const wrong = tags.filter((tag) => !tag.ok).length;
  const end = ok
    ? `Nothing is wrong with ${tags.length === 1 ? "it" : `the ${tags.length} tags`}.`
    : `${wrong} of ${tags.length} ${tags.length === 1 ? "is" : "are"} not in order.`;
  const text =
    tags.length === 0 ? `There are no tag files in ${path}.` : [...tags.map(block), end].join("\n\n");
  return { text, json: { ok, tags }, ok };
}

const block = ({ file, checks }: VerifiedTag): string =>
  `${file}\n${properties(checks.map(({ check, state, found }) => [`  ${marks[state]} ${check}`, found]))}`;
