/** From a table and a few words to the studies that learn it: one for the domain tags, one for the function tag. */
import { relative } from "node:path";
import { stringify } from "yaml";
import { stemOf } from "../data/formats.ts";
import { TagllmError } from "../errors.ts";
import { parseHubId } from "../hub/names.ts";
import { escapeTemplate, parseTemplate } from "../prompts/template.ts";
import { speaksOfMolecules } from "../study/molecules.ts";
import { onlyInCase } from "../study/schema.ts";
import { quote } from "../suggest.ts";
import type { ColumnView } from "./columns.ts";

export interface Input {
  /** Column of the table. */
  readonly column: string;
  /** The domain tag that says what the column holds. */
  readonly tag: string;
}

/** How the function tag is trained; what a search chooses. */
export interface Recipe {
  /** Vectors of the tag. */
  readonly length: number;
  /** Learning rate over the root mean square of the embedding table. */
  readonly rate: number;
  /** 0: the tag stays as it was initialised, and only its head is solved. */
  readonly steps: number;
}

export const defaultRecipe: Recipe = { length: 10, rate: 0.025, steps: 400 };

export type AnswerKind = "number" | "class";

export interface Plan {
  readonly name: string;
  /** Absolute path of the table. */
  readonly file: string;
  readonly inputs: readonly Input[];
  readonly target: string;
  readonly answer: AnswerKind;
  /** An absolute path or a hub id. */
  readonly base: string | null;
  readonly test: number;
  readonly validation: number;
  readonly splitSeed: number;
  readonly seeds: readonly number[];
  /** Time for all of it; left out where nothing is searched. */
  readonly minutes?: number;
  readonly domainSteps: number;
  /** Fields that hold molecules: for the split, which knows them however they are written, and a baseline. */
  readonly molecules: readonly string[];
  /** Whether prompts say in words what the inputs are; without, they are tags and data alone. */
  readonly words: boolean;
  /** Left out where templates can say the names of all inputs. */
  readonly renamed?: readonly Renamed[];
}

/** A column whose name no template can say, and the field that studies and tags know it as. */
export interface Renamed {
  readonly column: string;
  readonly field: string;
}

/** A domain tag that is there already, as a study must describe it. */
export interface TagFile {
  readonly file: string;
  readonly length: number;
  readonly splitCharacters: boolean;
  readonly isolate: boolean;
}

export type TagFiles = Readonly<Record<string, TagFile>>;

/** `smiles:SMILES`, the last colon divides. Throws usage. */
export function parseInput(text: string): Input {
  const at = text.lastIndexOf(":");
  const [column, tag] = [text.slice(0, at), text.slice(at + 1)];
  if (at > 0 && /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(tag)) return { column, tag };
  throw new TagllmError(
    "usage",
    `The input ${quote(text)} does not say which tag its column gets.`,
    'Write COLUMN:TAG, such as smiles:SMILES; a tag is a letter, then letters, digits, "_", "." or "-".',
  );
}

/** Some systems hold such names for one file. @throws usage */
export function requireApart(inputs: readonly Input[]): void {
  const twice = onlyInCase(inputs.map((i) => i.tag));
  if (!twice) return;
  const problem = `The tags ${twice[0]} and ${twice[1]} of the inputs differ only in capital letters.`;
  throw new TagllmError("usage", problem, "Write one of them otherwise; columns of one kind share a tag.");
}

export const columnsOf = (inputs: readonly Input[]): string[] => inputs.map((i) => i.column);

/** Whether a template can say it between braces. */
function isSayable(name: string): boolean {
  try {
    const [piece, ...more] = parseTemplate(`{${name}}`).pieces;
    return piece?.kind === "field" && piece.name === name && more.length === 0;
  } catch {
    return false;
  }
}

/** A column's own name, or the nearest that a template can say. */
const fieldOf = (column: string): string =>
  isSayable(column) ? column : column.replaceAll("{", "(").replaceAll("}", ")").replaceAll("\n", " ");

/** Inputs that need another name, which none of the table's `columns` has. */
export function renamedOf(inputs: readonly Input[], columns: readonly string[]): Renamed[] {
  const taken = new Set(columns);
  const unsayable = new Set(columnsOf(inputs).filter((column) => !isSayable(column)));
  return [...unsayable].map((column) => {
    const wanted = fieldOf(column);
    let field = wanted;
    for (let n = 2; taken.has(field); n++) field = `${wanted} ${n}`;
    taken.add(field);
    return { column, field };
  });
}

type Naming = Pick<Plan, "renamed">;

/** What the studies of a plan call a column. */
export const fieldIn = ({ renamed = [] }: Naming, column: string): string =>
  renamed.find((r) => r.column === column)?.field ?? column;

export const fieldsIn = (plan: Naming, columns: readonly string[]): string[] =>
  columns.map((column) => fieldIn(plan, column));

/** The function tag's name: the target's, in capitals at each word; another than a domain tag's also in its file. */
export function functionTagOf(target: string, inputs: readonly Input[]): string {
  const words = target.split(/[^A-Za-z0-9]+/).filter(Boolean);
  const joined = words.map((w) => (w[0] as string).toUpperCase() + w.slice(1)).join("");
  const name = (/^[A-Za-z]/.test(joined) ? joined : `Value${joined}`).slice(0, 60);
  const taken = new Set(inputs.map((i) => i.tag.toLowerCase()));
  let free = name;
  for (let n = 1; taken.has(free.toLowerCase()); n++) free = `${name}Value${n > 1 ? n : ""}`;
  return free;
}

/** As studies may be called. */
const plainName = (text: string): string => {
  const plain = text.replace(/[^A-Za-z0-9_]+/g, "_").replace(/^_+|_+$/g, "");
  return /^[A-Za-z]/.test(plain) ? plain : `f_${plain}`;
};

export const studyName = (file: string, target: string): string =>
  `${plainName(stemOf(file))}-${plainName(target)}`.slice(0, 64);

function dataOf(plan: Plan, folder: string): Record<string, unknown> {
  const { inputs, molecules, renamed = [] } = plan;
  return {
    file: relative(folder, plan.file),
    ...(renamed.length > 0 && { columns: Object.fromEntries(renamed.map((r) => [r.field, r.column])) }),
    split: {
      by: {
        group: fieldsIn(plan, columnsOf(inputs)),
        ...(molecules.length > 0 && { molecules: fieldsIn(plan, molecules) }),
      },
      test: plan.test,
      validation: plan.validation,
      seed: plan.splitSeed,
    },
  };
}

/** The study of the domain tags that `found` has not; null when it has all. `folder` is where it will stand. */
export function domainStudy(plan: Plan, found: TagFiles, folder: string): string | null {
  const missing = plan.inputs.filter((i, k) => !found[i.tag] && firstWith(plan.inputs, i.tag) === k);
  if (missing.length === 0) return null;
  return page(aboutDomains, {
    name: `${plan.name}-domains`.slice(0, 64),
    ...baseOf(plan, folder),
    seeds: [plan.seeds[0]],
    data: { rows: dataOf(plan, folder) },
    tags: Object.fromEntries(missing.map((i) => [i.tag, { kind: "domain" }])),
    stages: missing.map((i) => ({
      name: i.tag,
      after: [],
      train: [i.tag],
      tasks: [{ data: "rows", template: domainTemplate(plan, i) }],
      steps: plan.domainSteps,
      batch: 16,
    })),
  });
}

const aboutDomains = "Learns what the inputs are, from the training rows alone.";

/** Whether a study is what `domainStudy` makes. */
export const isDomainStudy = (text: string): boolean => text.startsWith(`# ${aboutDomains}\n`);

/** As the study names it: a hub id as it is, a folder as seen from the study. */
function baseOf({ base }: Plan, folder: string): { base?: string } {
  if (base === null) return {};
  return { base: parseHubId(base) ? base : relative(folder, base) || "." };
}

const firstWith = (inputs: readonly Input[], tag: string): number => inputs.findIndex((i) => i.tag === tag);

/** What a plan's templates are made of. */
type Asked = Pick<Plan, "inputs" | "target" | "words" | "renamed">;

/** A domain tag and its data. */
export const domainTemplate = (plan: Naming & Pick<Plan, "words">, { tag, column }: Input): string =>
  `<${tag}>${plan.words ? " " : ""}{${fieldIn(plan, column)}}`;

/** All inputs, then the function tag. */
export function functionTemplate(asked: Asked): string {
  const { inputs, target, words } = asked;
  const data = inputs.map((i) => domainTemplate(asked, i));
  const tag = `<${functionTagOf(target, inputs)}>`;
  if (!words) return `${data.join("")}${tag}`;
  const named = (column: string) => escapeTemplate(fieldIn(asked, column));
  const lines = inputs.map((i, k) => `The ${named(i.column)} is ${data[k]}. \n`);
  return `${lines.join("")}The ${named(target)} is ${tag}`;
}

/** The study of the function tag. */
export function functionStudy(plan: Plan, recipe: Recipe, domainTags: TagFiles, folder: string): string {
  const tag = functionTagOf(plan.target, plan.inputs);
  const columns = [...new Set(columnsOf(plan.inputs))];
  return page("Learns the target from the inputs; domain tags stay as they are.", {
    name: plan.name,
    ...baseOf(plan, folder),
    seeds: plan.seeds,
    data: { rows: dataOf(plan, folder) },
    tags: {
      ...Object.fromEntries(
        plan.inputs.map((i) => {
          const { file, ...facts } = domainTags[i.tag] as TagFile;
          return [i.tag, { kind: "domain", ...facts, from: relative(folder, file) }];
        }),
      ),
      [tag]: { kind: "function", answer: plan.answer, length: recipe.length, init: { noise: 0.3 } },
    },
    stages: [
      {
        name: tag,
        train: [tag],
        tasks: [
          {
            data: "rows",
            template: functionTemplate(plan),
            target: fieldIn(plan, plan.target),
            ...(columns.length === 2 && plan.answer === "number" && { effects: fieldsIn(plan, columns) }),
            ...(plan.molecules.length > 0 && { molecules: fieldsIn(plan, plan.molecules) }),
          },
        ],
        steps: recipe.steps,
        rate: recipe.rate,
      },
    ],
  });
}

const page = (about: string, study: Record<string, unknown>): string =>
  `# ${about}\n# Every key is described in docs/studies.md; what is not said here has its default.\n${stringify(study, { lineWidth: 0 })}`;

/** Columns that are read as molecules: their tag or their name says so. */
export const moleculeColumns = (inputs: readonly Input[], views: readonly ColumnView[]): string[] =>
  inputs
    .filter((i) => speaksOfMolecules(`${i.tag} ${i.column}`))
    .map((i) => i.column)
    .filter((column) => views.some((v) => v.name === column && v.kind === "text"));
