/** One commented study of all stages, for a user to edit. */
import { relative } from "node:path";
import type { ColumnView } from "./columns.ts";
import {
  type AnswerKind,
  columnsOf,
  defaultRecipe,
  domainTemplate,
  fieldIn,
  fieldsIn,
  functionTagOf,
  functionTemplate,
  type Input,
  moleculeColumns,
  renamedOf,
  requireApart,
  studyName,
} from "./compose.ts";

/** JSON's strings are YAML's too. */
const quoted = (text: string): string => JSON.stringify(text);
/** Of a tag: a word, which YAML could still take for a value. */
const word = (tag: string): string => (/^(null|true|false)$/i.test(tag) ? quoted(tag) : tag);
const list = (names: readonly string[]): string => `[${[...new Set(names)].map(quoted).join(", ")}]`;

/** @throws usage */
export function wholeStudy(
  file: string,
  inputs: readonly Input[],
  target: string,
  columns: readonly ColumnView[],
  folder: string,
  answer: AnswerKind,
): string {
  requireApart(inputs);
  const tag = functionTagOf(target, inputs);
  const renamed = renamedOf(
    inputs,
    columns.map((c) => c.name),
  );
  const asked = { inputs, target, words: true, renamed };
  const rename = renamed.map((r) => `${quoted(r.field)}: ${quoted(r.column)}`).join(", ");
  const fields = fieldsIn(asked, columnsOf(inputs));
  const molecules = fieldsIn(asked, moleculeColumns(inputs, columns));
  const tags = [...new Set(inputs.map((i) => i.tag))];
  return `# A study: what data there is, which tags, and in which stages they are learned.
# See what the model will read: tagllm inspect THIS.  What would be done: tagllm train THIS --dry-run
name: ${studyName(file, target)}
seeds: [1, 2, 3] # all stages once per seed; the report shows mean and spread
data:
  rows:
    file: ${quoted(relative(folder, file))}
${rename ? `    columns: { ${rename} } # field: column of the file\n` : ""}    split:
      by: { group: ${list(fields)}${molecules.length ? `, molecules: ${list(molecules)}` : ""} } # rows with equal values stay on one side
      test: 0.1
      validation: 0.1
tags:
${tags.map((t) => `  ${word(t)}: { kind: domain, length: 10 } # what the data is; or from: FILE.safetensors to use one that is there\n`).join("")}  ${word(tag)}: { kind: function, answer: ${answer}, length: ${defaultRecipe.length}, init: { noise: 0.3 } } # what to do with it
stages:
${tags
  .map((t) => {
    const input = inputs.find((i) => i.tag === t) as Input;
    return `  - name: ${word(t)}
    train: [${word(t)}]
    tasks: [{ data: rows, template: ${quoted(domainTemplate(asked, input))} }] # text of the domain, no labels
    steps: 150
    batch: 16
`;
  })
  .join("")}  - name: ${word(tag)}
    train: [${word(tag)}]
    tasks:
      - data: rows
        template: ${quoted(functionTemplate(asked))}
        target: ${quoted(fieldIn(asked, target))}
${new Set(fields).size === 2 && answer === "number" ? `        effects: ${list(fields)} # baseline: additive means of the two\n` : ""}${molecules.length ? `        molecules: ${list(molecules)} # baseline: ridge on Morgan fingerprints\n` : ""}    steps: ${defaultRecipe.steps}
    rate: ${defaultRecipe.rate} # learning rate over the size of an embedding's numbers
`;
}
