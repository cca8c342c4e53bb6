/** `tagllm tags push|pull`: a library to and from the hub. */
import { type PullTagsOptions, type PushTagsOptions, pullTags, pushTags } from "../../tags/hub.ts";
import { downloadView } from "../download-view.ts";
import type { Io } from "../io.ts";
import type { Result } from "../result.ts";

export async function push(
  io: Io,
  folder: string,
  id: string,
  { license, private: isPrivate }: Pick<PushTagsOptions, "license" | "private">,
): Promise<Result> {
  io.progress.update(`pushing ${folder} to ${id} ...`);
  const onEvent = downloadView(io.progress);
  const pushed = await pushTags(folder, id, { license, private: isPrivate, signal: io.signal(), onEvent });
  io.progress.clear();
  const { card: _card, ...json } = pushed;
  return { text: `Pushed to ${pushed.repo}: ${pushed.tags.join(", ")}\n${pushed.url}`, json };
}

export async function pull(
  io: Io,
  id: string,
  { into, revision }: Pick<PullTagsOptions, "into" | "revision">,
): Promise<Result> {
  const onEvent = downloadView(io.progress);
  const pulled = await pullTags(id, { into, revision, signal: io.signal(), onEvent });
  io.progress.clear();
  const { repo, commit, folder, copied, kept } = pulled;
  const lines = [
    copied.length
      ? `From ${repo} (${commit}) into ${folder}: ${copied.join(", ")}`
      : "There was nothing to copy.",
    ...(kept.length ? [`There already, the same: ${kept.join(", ")}`] : []),
  ];
  return { text: lines.join("\n"), json: pulled };
}
