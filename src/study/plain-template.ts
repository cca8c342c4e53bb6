/** Plain templates: fields and words that end in the target, and rows answered in the same way before them. */
import { parseTemplate, type Template, type TemplatePiece } from "../prompts/template.ts";
import type { TaskRow } from "./clean.ts";

/** A plain template, and the answered rows that stand before its question. */
export interface PlainPrompt {
  readonly template: string;
  readonly examples: readonly TaskRow[];
}

export interface PlainQuestion {
  readonly template: Template;
  /** What the fields of the examples hold. */
  readonly given: Readonly<Record<string, string>>;
}

export function plainQuestion({ template, examples }: PlainPrompt): PlainQuestion {
  const { pieces } = parseTemplate(template);
  const separator = text(template.includes("\n") ? "\n\n" : "\n");
  const shots = examples.flatMap((_, i) => [...pieces.map((piece) => renamed(piece, i)), separator]);
  const given = Object.fromEntries(
    examples.flatMap(({ fields }, i) => Object.entries(fields).map(([name, value]) => [nth(name, i), value])),
  );
  return { template: { source: template, pieces: joined([...shots, ...pieces.slice(0, -1)]) }, given };
}

export const fieldsOf = (template: string): string[] =>
  parseTemplate(template).pieces.flatMap((piece) => (piece.kind === "field" ? [piece.name] : []));

const text = (words: string): TemplatePiece => ({ kind: "text", text: words });

/** No field can be called so: names of fields in templates have no brackets. */
const nth = (name: string, example: number): string => `${name}[${example}]`;

const renamed = (piece: TemplatePiece, example: number): TemplatePiece =>
  piece.kind === "field" ? { ...piece, name: nth(piece.name, example) } : piece;

/** Texts that stand side by side become one, as they would be in a template. Blanks at the end are the answer's. */
function joined(pieces: readonly TemplatePiece[]): TemplatePiece[] {
  const whole: TemplatePiece[] = [];
  for (const piece of pieces) {
    const last = whole.at(-1);
    if (piece.kind === "text" && last?.kind === "text")
      whole[whole.length - 1] = text(last.text + piece.text);
    else whole.push(piece);
  }
  const end = whole.at(-1);
  if (end?.kind === "text") whole[whole.length - 1] = text(end.text.replace(/[ \t]+$/, ""));
  return whole.filter((piece) => piece.kind !== "text" || piece.text !== "");
}
