/** One commented study of all stages, for a user to edit. */
import { relative } from "node:path";
import { parseDocument } from "yaml";
import type { ColumnView } from "./columns.ts";
import {
  type AnswerKind,
  defaultRecipe,
  domainTemplate,
  fieldOf,
  functionTagOf,
  functionTemplate,
  type Input,
  moleculeColumns,
  studyName,
} from "./compose.ts";

const quoted = (text: string): string => JSON.stringify(text);

export function wholeStudy(
  file: string,
  inputs: readonly Input[],
  target: string,
  columns: readonly ColumnView[],
  folder: string,
  answer: AnswerKind,
): string {
  const tag = functionTagOf(target, inputs);
  const renamed = [...inputs.map((i) => i.column), target].filter((c) => fieldOf(c) !== c);
  const rename = renamed.map((c) => `${fieldOf(c)}: ${quoted(c)}`).join(", ");
  const fields = inputs.map((i) => fieldOf(i.column));
  const molecules = moleculeColumns(inputs, columns).map(fieldOf);
  const tags = [...new Set(inputs.map((i) => i.tag))];
  const text = `# A study: what data there is, which tags, and in which stages they are learned.
# See what the model will read: tagllm inspect THIS.  What would be done: tagllm train THIS --dry-run
name: ${studyName(file, target)}
seeds: [1, 2, 3] # all stages once per seed; the report shows mean and spread
data:
  rows:
    file: ${quoted(relative(folder, file))}
${rename ? `    columns: { ${rename} } # field: column of the file\n` : ""}    split:
      by: { group: [${fields.join(", ")}]${molecules.length ? `, molecules: [${molecules.join(", ")}]` : ""} } # rows with equal values stay on one side
      test: 0.1
      validation: 0.1
tags:
${tags.map((t) => `  ${t}: { kind: domain, length: 10 } # what the data is; or from: FILE.safetensors to use one that is there\n`).join("")}  ${tag}: { kind: function, answer: ${answer}, length: ${defaultRecipe.length}, init: { noise: 0.3 } } # what to do with it
stages:
${tags
  .map((t) => {
    const input = inputs.find((i) => i.tag === t) as Input;
    return `  - name: ${t}
    train: [${t}]
    tasks: [{ data: rows, template: ${quoted(domainTemplate({ words: true }, input))} }] # text of the domain, no labels
    steps: 150
    batch: 16
`;
  })
  .join("")}  - name: ${tag}
    train: [${tag}]
    tasks:
      - data: rows
        template: ${quoted(functionTemplate({ inputs, target, words: true }))}
        target: ${fieldOf(target)}
${fields.length === 2 && answer === "number" ? `        effects: [${fields.join(", ")}] # baseline: additive means of the two\n` : ""}${molecules.length ? `        molecules: [${molecules.join(", ")}] # baseline: ridge on Morgan fingerprints\n` : ""}    steps: ${defaultRecipe.steps}
    rate: ${defaultRecipe.rate} # learning rate over the size of an embedding's numbers
`;
  const [broken] = parseDocument(text).errors;
  if (broken) throw broken;
  return text;
}
