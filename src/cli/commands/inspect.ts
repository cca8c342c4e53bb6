/** `tagllm inspect`: the prompts of a study as the base will read them. */
import type { Prompt } from "../../prompts/prompt.ts";
import type { PreparedStage, PreparedStudy } from "../../study/prepare.ts";
import { hasHead, type PreparedTask, type TaskRow } from "../../study/tasks.ts";
import { didYouMean, quote } from "../../suggest.ts";
import { targetLabels, textLabels } from "../../train/labels.ts";
import { viewAudit } from "../audit-view.ts";
import type { Io } from "../io.ts";
import { withStudy } from "../open-study.ts";
import { type InspectedPrompt, promptJson, promptLines } from "../prompt-view.ts";
import { type Result, UsageError } from "../result.ts";

export interface InspectChoice {
  stage?: string;
  rows?: number;
}

export function inspect(io: Io, file: string, choice: InspectChoice): Promise<Result> {
  return withStudy(file, {}, io, async (prepared) => {
    const stages = chosenStages(prepared, choice.stage);
    const audit = await viewAudit(prepared, io, stages);
    const shown = stages.flatMap(({ stage, tasks }) =>
      tasks.flatMap((task) =>
        task.rows.train
          .slice(0, choice.rows ?? 1)
          .map((row) => ({ stage: stage.name, task, row, inspected: inspectRow(task, row) })),
      ),
    );
    const { tokenizer } = prepared.base;
    const text = shown.map(({ task, row, inspected }) =>
      [
        io.colors.bold(`${task.name}, data row ${row.rowNumber}`),
        summary(task, row, inspected),
        ...promptLines(inspected, tokenizer, io),
      ].join("\n"),
    );
    const json = shown.map(({ stage, task, row, inspected }) => ({
      stage,
      task: task.name,
      kind: task.kind,
      row: row.rowNumber,
      targets: Object.fromEntries(
        task.targets.map((target, k) => [target, row.numbers[k] ?? row.fields[target]]),
      ),
      ...promptJson(inspected, tokenizer),
    }));
    return {
      text: [...text, audit.lines.join("\n")].join("\n\n"),
      json: { study: prepared.loaded.study.name, prompts: json, audit: audit.json },
    };
  });
}

function chosenStages({ stages }: PreparedStudy, name: string | undefined): readonly PreparedStage[] {
  if (name === undefined) return stages;
  const found = stages.filter(({ stage }) => stage.name === name);
  if (found.length > 0) return found;
  const names = stages.map(({ stage }) => stage.name);
  throw new UsageError(`The study has no stage ${quote(name)}.`, didYouMean(name, names, "stages"));
}

function inspectRow(task: PreparedTask, row: TaskRow): InspectedPrompt {
  const prompt = task.compiler.compile(row, { withTarget: task.kind === "text" });
  return { prompt, isolate: task.isolate, lossAt: lossPositions(task, prompt) };
}

function lossPositions({ kind }: PreparedTask, prompt: Prompt): number[] {
  if (hasHead(kind)) return [];
  const labels = kind === "text" ? targetLabels(prompt) : textLabels(prompt);
  return labels.map(({ position }) => position);
}

function summary(task: PreparedTask, row: TaskRow, { prompt, isolate, lossAt }: InspectedPrompt): string {
  const cut = prompt.trimmed.map(({ field, tokens }) => `${tokens} tokens of {${field}} cut`);
  const truth = (k: number) => (row.label === null ? row.numbers[k] : quote(row.label));
  const targets = task.targets.map((target, k) => `${target} = ${truth(k)}`).join(", ");
  return [
    `${prompt.ids.length} positions`,
    isolate && prompt.spans.some((span) => span.isolate) ? "spans isolated" : "nothing isolated",
    hasHead(task.kind) ? `loss of the head on ${targets}` : `loss on ${lossAt.length} tokens`,
    ...cut,
  ].join("; ");
}
