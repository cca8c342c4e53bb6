/**
 * The domain tag directly before a function tag says what the answer is to be: `<FR> <Translate>`. The same question
 * with another's in its place shows whether the base listens to it.
 */
import { TagllmError } from "../errors.ts";
import { readTemplate } from "../prompts/chat.ts";
import type { Template } from "../prompts/template.ts";
import type { Study } from "./schema.ts";
import type { StageRun } from "./stages.ts";
import { compilerOf, type PreparedTask, type PromptCompiler, type TaskRow } from "./tasks.ts";

export interface Otherwise {
  /** The domain tag of the task's own prompt, and the one in its place. */
  readonly own: string;
  readonly other: string;
  readonly compiler: PromptCompiler;
  /** Test rows that have no room, as the other tag is longer: then nothing is asked with it. */
  readonly tooLong: number;
}

/**
 * Asks with the next domain tag, in the order of the stage's tasks, that announces an answer there and that the
 * task's own prompt does not hold; null where nothing is announced, or nothing else.
 */
export function announcedOtherwise(
  { prepared, stage }: Pick<StageRun, "prepared" | "stage">,
  task: PreparedTask,
): Otherwise | null {
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
  const compiler = compilerOf(withSplittingOf(name, other, loaded.study), base, {
    template: { ...own.template, pieces },
    fields: task.source.table.columns,
    target: task.targets[0],
    bos: task.compiler.bos,
    eos: true,
  });
  const tooLong = task.rows.test.filter((row) => !fits(compiler, row)).length;
  return { own: name, other, compiler, tooLong };
}

/** The study with a tag `other` that splits characters as `own` does, so that answers are scored in the same tokens. */
function withSplittingOf(own: string, other: string, study: Study): Study {
  const [from, to] = [study.tags[own], study.tags[other]];
  if (from?.kind !== "domain" || to?.kind !== "domain") return study;
  const { splitCharacters } = from;
  return { ...study, tags: { ...study.tags, [other]: { ...to, splitCharacters } } };
}

function fits(compiler: PromptCompiler, row: TaskRow): boolean {
  try {
    compiler.compile(row, { withTarget: true });
    return true;
  } catch (error) {
    if (error instanceof TagllmError && error.code === "prompts/too-long") return false;
    throw error;
  }
}

/** Says so of a task that has no method `wrong domain tag` because test rows have no room for it. */
export function notAskedOtherwise(run: Pick<StageRun, "prepared" | "stage">, task: PreparedTask): string[] {
  const otherwise = task.kind === "text" ? announcedOtherwise(run, task) : null;
  if (!otherwise || otherwise.tooLong === 0) return [];
  const { own, other, tooLong } = otherwise;
  return [
    `${task.name}: there is no wrong domain tag to compare with, as ${tooLong} of ${task.rows.test.length} test rows have no room for <${other}> in the place of <${own}>.`,
  ];
}

/** Index of the piece before the function tag, blanks aside. */
function announcerIn({ pieces }: Template, functionTag: string): number {
  const at = pieces.findIndex((piece) => piece.kind === "tag" && piece.name === functionTag);
  const before = pieces[at - 1];
  return before?.kind === "text" && before.text.trim() === "" ? at - 2 : at - 1;
}
