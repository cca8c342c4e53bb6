/** The model card of a library: README.md with the front matter that the hub reads, made from the tags alone. */
import { basename } from "node:path";
import { stringify } from "yaml";
import { headingOf } from "../evaluate/metric-names.ts";
import { parseHubId } from "../hub/names.ts";
import { isObject } from "../json-file.ts";
import { defaultBase } from "../models/default-base.ts";
import { templateText, writtenPieces } from "../prompts/template.ts";
import { shellWord } from "../shell.ts";
import type { Tag } from "./tag.ts";

export interface CardOptions {
  /** ORG/NAME the tags are pushed to. */
  readonly repo: string;
  readonly license?: string;
}

export function modelCard(tags: readonly Tag[], { repo, license }: CardOptions): string {
  const bases = [...new Set(tags.map((tag) => tag.base.name))];
  const onHub = bases.filter((name) => parseHubId(name) !== null);
  const front = stringify({
    library_name: "tagllm",
    ...(onHub.length > 0 && { base_model: onHub.length === 1 ? onHub[0] : onHub }),
    ...(license !== undefined && { license }),
    tags: ["tag-llm", "tagllm", "soft-prompt"],
  });
  const which = bases.map((name) => `**${cell(name)}**`).join(", ");
  const sections = [
    `---\n${front}---`,
    `# ${cell(repo.split("/").at(-1) ?? repo)}`,
    `Tags for the language model ${which}: each is a few vectors that stand in its input, learned with tagllm, [Tag-LLM](https://arxiv.org/abs/2402.05140) for TypeScript, while the model itself stayed frozen. They mean something in that model only and are refused by any other.`,
    table(["tag", "kind", "vectors", "for"], tags.map(overview)),
    ...tags.map(section),
    useSection(tags, repo),
  ];
  return `${sections.join("\n\n")}\n`;
}

const overview = (tag: Tag): string[] => [
  `\`<${tag.name}>\``,
  tag.kind,
  String(tag.length),
  tag.kind === "domain" ? "says what the data after it is" : cell(answerOf(tag)),
];

function answerOf({ outputs, classes, head }: Tag): string {
  const what = classes ? `one of ${classes.join(", ")}` : head ? "number" : "text";
  return `answers ${outputs.join(", ")} (${what}${head && !classes && outputs.length > 1 ? "s" : ""})`;
}

function section(tag: Tag): string {
  const { base, provenance, conformal, outputs, classes, usesTags } = tag;
  const facts = [
    `Base: ${cell(base.name)} (${base.architecture}, ${base.layers} layers of ${base.hiddenSize}; fingerprint \`${base.id}\`).`,
    ...(tag.kind === "domain" && tag.splitCharacters ? ["The text after it is split into characters."] : []),
    ...(usesTags.length ? [`Trained beside ${usesTags.map(({ name }) => `\`<${name}>\``).join(", ")}.`] : []),
    ...(classes
      ? []
      : (conformal ?? []).flatMap((width, k) =>
          width === null
            ? []
            : [
                `90 % of validation rows lie within ${width.toPrecision(3)} of the answer ${cell(outputs[k] ?? "")}.`,
              ],
        )),
    ...limits(tag),
    ...madeBy(provenance),
  ];
  const prompt = tag.template === null ? [] : ["Its prompt:", fenced(templateText(tag.template), "text")];
  return [`## \`<${tag.name}>\``, facts.join(" "), ...prompt, ...metrics(provenance)].join("\n\n");
}

const limits = ({ maxTokens, answerTokens }: Tag): string[] => [
  ...(maxTokens === undefined ? [] : [`Prompts are cut to ${maxTokens} tokens, as they were in training.`]),
  ...(answerTokens === undefined ? [] : [`Answers have up to ${answerTokens} tokens.`]),
];

function madeBy(provenance: Tag["provenance"]): string[] {
  const { study, seed, tagllm, importedFrom } = provenance;
  if (typeof importedFrom === "string") return ["Its vectors were imported from another program."];
  if (typeof study !== "string") return [];
  const by = [
    `study ${cell(study)}`,
    ...(typeof seed === "number" ? [`seed ${seed}`] : []),
    ...(typeof tagllm === "string" ? [`tagllm ${cell(tagllm)}`] : []),
  ];
  return [`Made by ${by.join(", ")}.`];
}

/** What the tag's file says of its test rows; a tag from elsewhere may say anything there. */
function metrics({ test }: Tag["provenance"]): string[] {
  const entries = Array.isArray(test) ? test.filter(isObject) : [];
  const names = [
    ...new Set(
      entries.flatMap((entry) => Object.keys(entry).filter((name) => typeof entry[name] === "number")),
    ),
  ];
  if (names.length === 0) return [];
  const rows = entries.map((entry) => [
    cell([entry.task, entry.target].filter((part) => typeof part === "string").join(" ")),
    ...names.map((name) => {
      const value = entry[name];
      return typeof value === "number" ? value.toPrecision(4) : "-";
    }),
  ]);
  return [
    "On the test rows of its study (this seed; the run's report has the baselines that it must beat):",
    table(["task", ...names.map((name) => cell(headingOf(name)))], rows),
  ];
}

function useSection(tags: readonly Tag[], repo: string): string {
  const asked = tags.find(({ kind }) => kind === "function") ?? (tags[0] as Tag);
  const base = baseOption(asked.base.name);
  const pieces = asked.template === null ? [] : writtenPieces(asked.template);
  const names = pieces.flatMap((piece) => (piece.kind === "field" ? [piece.name] : []));
  const fields = [...new Set(names)].filter((name) => !asked.outputs.includes(name));
  const lines = [`tagllm tags pull ${repo} --into tags`, `tagllm tags verify tags${base}`];
  if (asked.kind === "function") {
    const given = fields.map((name) => ` --field ${shellWord(`${name}=...`)}`).join("");
    lines.push(`tagllm predict --tag ${asked.name} --tags tags${base}${given}`);
  }
  return ["## Use", howToInstall, fenced(lines.join("\n"), "sh")].join("\n\n");
}

/** As in the README, "Install elsewhere". */
const howToInstall =
  "tagllm is not on npm yet: in a clone of it, `npm install && npm run build && npm link` makes the command `tagllm`.";

/** What names the base on a command line; the one that ships needs no name. */
function baseOption(name: string): string {
  if (name === basename(defaultBase)) return "";
  return ` --base ${parseHubId(name) ? name : "FOLDER_OF_THE_BASE"}`;
}

/** A block that its text cannot end. */
function fenced(text: string, language: "text" | "sh"): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

/** Of cells that are Markdown. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Text that is only text in Markdown and HTML, on one line. */
const cell = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replace(/[\\`*_[\]|#]/g, "\\$&");
