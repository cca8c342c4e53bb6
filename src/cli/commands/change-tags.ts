/** `tagllm tags rename|copy|rm`: what changes a library. */
import { copyTag, planRemoval, type Removal, removeTags } from "../../tags/change-library.ts";
import { renameTag } from "../../tags/rename.ts";
import { distinctPaths } from "../distinct-paths.ts";
import { type Result, UsageError } from "../result.ts";

export async function rename(file: string, to: string): Promise<Result> {
  const renamed = await renameTag(file, to);
  const { from, rewritten, left } = renamed;
  const lines = [`${from} is now ${to}: ${renamed.file}`];
  if (rewritten.length) lines.push(`These ask for ${to} now: ${rewritten.join(", ")}.`);
  if (left.length) lines.push(`Trained beside another ${from}, and left as they were: ${left.join(", ")}.`);
  return { text: lines.join("\n"), json: renamed };
}

export async function copy(file: string, folder: string): Promise<Result> {
  const done = await copyTag(file, folder);
  const { copied, kept } = done;
  const lines = [
    copied.length ? `Copied into ${folder}: ${copied.join(", ")}` : "There was nothing to copy.",
  ];
  if (kept.length) lines.push(`There already, the same: ${kept.join(", ")}`);
  return { text: lines.join("\n"), json: done };
}

export async function remove(files: readonly string[], { yes }: { yes?: boolean }): Promise<Result> {
  const plan = await planRemoval(distinctPaths(files));
  if (!yes) {
    const problem = `This would remove ${plan.map(({ file, tag }) => `${file}${tag === null ? " (damaged)" : ""}`).join(", ")}.`;
    throw new UsageError([problem, ...losses(plan, "would no longer work")].join(" "), "Say --yes to do it.");
  }
  await removeTags(plan);
  const lines = [
    `Removed: ${plan.map(({ file }) => file).join(", ")}`,
    ...losses(plan, "no longer works: a tag it asks for is gone"),
  ];
  return { text: lines.join("\n"), json: { removed: plan } };
}

function losses(plan: readonly Removal[], what: string): string[] {
  return plan.flatMap(({ tag, neededBy }) => neededBy.map((other) => `${other} (asks for ${tag}) ${what}.`));
}
