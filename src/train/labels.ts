/** Which positions of a prompt carry loss. */
import type { Label } from "../batch/labels.ts";
import type { Prompt } from "../prompts/prompt.ts";

/** Every token that follows a tag vector or token: the whole of an unlabelled text. */
export function textLabels(prompt: Prompt): Label[] {
  return labelsIn(prompt, 1, prompt.ids.length);
}

/** The tokens of the target. */
export function targetLabels(prompt: Prompt): Label[] {
  return prompt.target ? labelsIn(prompt, prompt.target.start, prompt.target.end) : [];
}

function labelsIn({ ids }: Prompt, from: number, to: number): Label[] {
  const labels: Label[] = [];
  for (let position = Math.max(1, from); position < to; position++) {
    const id = ids[position] as number;
    if (id >= 0) labels.push({ position, id });
  }
  return labels;
}
