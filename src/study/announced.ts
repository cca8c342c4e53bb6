/**
 * The domain tag directly before a function tag says what the answer is to be: `<FR> <Translate>`. The same question
 * with another's in its place shows whether the base listens to it.
 */
import { readTemplate } from "../prompts/chat.ts";
import type { Template } from "../prompts/template.ts";
import type { StageRun } from "./stages.ts";
import { compilerOf, type PreparedTask, type PromptCompiler } from "./tasks.ts";

/**
 * Asks with the next domain tag, in the order of the stage's tasks, that announces an answer there and that the
 * task's own prompt does not hold; null where nothing is announced, or nothing else.
 */
export function announcedOtherwise({ prepared, stage }: StageRun, task: PreparedTask): PromptCompiler | null {
  const { base, loaded } = prepared;
  const announcerOf = (of: PreparedTask) => {
    const template = readTemplate(of.spec.template, base.tokenizer);
    return { template, at: announcerIn(template, of.functionTag as string) };
  };
  const nameAt = ({ template, at }: ReturnType<typeof announcerOf>): string | null => {
    const piece = template.pieces[at];
    const domain = piece?.kind === "tag" && loaded.study.tags[piece.name]?.kind === "domain";
    return domain ? piece.name : null;
  };
  const own = announcerOf(task);
  const name = nameAt(own);
  if (name === null) return null;
  const names = [...new Set(stage.tasks.flatMap((t) => nameAt(announcerOf(t)) ?? []))];
  const begin = names.indexOf(name);
  const others = [...names.slice(begin + 1), ...names.slice(0, begin)];
  const other = others.find((candidate) => !task.tags.includes(candidate));
  if (other === undefined) return null;
  const pieces = own.template.pieces.map((piece, i) =>
    i === own.at && piece.kind === "tag" ? { ...piece, name: other } : piece,
  );
  return compilerOf(loaded.study, base, {
    template: { ...own.template, pieces },
    fields: task.source.table.columns,
    target: task.targets[0],
    bos: task.compiler.bos,
    eos: true,
  });
}

/** Index of the piece before the function tag, blanks aside. */
function announcerIn({ pieces }: Template, functionTag: string): number {
  const at = pieces.findIndex((piece) => piece.kind === "tag" && piece.name === functionTag);
  const before = pieces[at - 1];
  return before?.kind === "text" && before.text.trim() === "" ? at - 2 : at - 1;
}
