/**
 * How a base wants messages written: the Jinja text of its tokenizer, which comes from whoever made the base and is
 * not trusted. It sees the messages and the names of a few tokens, runs a bounded number of steps and writes a
 * bounded text. What messages mean, and that their content is never read as Jinja or as control tokens, is in
 * prompts/chat.ts.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { TagllmError } from "../errors.ts";
import { isObject, type JsonObject, readJsonObject } from "../json-file.ts";
import { quote } from "../suggest.ts";
import { type Program, parseJinja, runJinja } from "./jinja.ts";

/** What one role says. */
export interface Message {
  readonly role: string;
  readonly content: string;
}

export interface ChatTemplate {
  /** Of its text, hex: prompts made by another are other prompts. */
  readonly sha256: string;
  /** The messages as one text. Throws chat/template, chat/refused. */
  render(messages: readonly Message[], options: { addGenerationPrompt: boolean }): string;
}

/** A hundred times what the longest templates of known bases have and need. */
const LARGEST = 1_000_000;
const BOUNDS = { size: LARGEST, steps: 2_000_000, time: 5_000 };

/** Templates that write the date get one that stays: training and use must read the same prompt. */
const DATE = new Date(Date.UTC(2024, 6, 26));

const CURE = "Mend the chat template of the base, or write the prompt as one text instead of messages.";

const broken = (problem: string, cause?: unknown) =>
  new TagllmError("chat/template", problem, CURE, cause === undefined ? {} : { cause });

/**
 * The chat template of a checkpoint folder, or null when it has none: chat_template.jinja, chat_template.json or
 * `chat_template` of tokenizer_config.json, whichever is there first. What is wrong with it is said when it is
 * used, as a base is of use without it.
 */
export async function readChatTemplate(folder: string, config: JsonObject): Promise<ChatTemplate | null> {
  try {
    return await findChatTemplate(folder, config);
  } catch (error) {
    return {
      sha256: "",
      render: () => {
        throw error;
      },
    };
  }
}

async function findChatTemplate(folder: string, config: JsonObject): Promise<ChatTemplate | null> {
  const file = join(folder, "chat_template.jinja");
  const found = await stat(file).catch(() => null);
  if (found?.isFile()) {
    if (found.size > LARGEST) throw tooLarge(file, found.size);
    return new JinjaTemplate(await readFile(file, "utf8"), file, config);
  }
  const path = join(folder, "chat_template.json");
  const json = await readJsonObject(path, "chat/template", CURE);
  const [value, where] =
    json === null ? [config.chat_template, `${folder}/tokenizer_config.json`] : [json.chat_template, path];
  const text = value === undefined || value === null ? null : chosen(value, where);
  if (text !== null && text.length > LARGEST) throw tooLarge(where, text.length);
  return text === null ? null : new JinjaTemplate(text, where, config);
}

const tooLarge = (where: string, size: number) =>
  broken(`The chat template of ${where} has ${size} characters; no such text has over ${LARGEST}.`);

/** A text, or the one that is called "default" of a list of named texts. */
function chosen(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  const named = Array.isArray(value)
    ? value.filter((entry) => isObject(entry) && typeof entry.template === "string")
    : [];
  const entry = named.find(({ name }) => name === "default") ?? (named.length === 1 ? named[0] : undefined);
  if (entry) return entry.template;
  const names = named.map(({ name }) => quote(String(name))).join(", ");
  throw broken(
    names
      ? `The chat templates of ${where} are ${names}; none is called "default".`
      : `The chat template of ${where} is neither a text nor a list of named texts.`,
  );
}

class JinjaTemplate implements ChatTemplate {
  readonly sha256: string;
  readonly #text: string;
  readonly #where: string;
  readonly #tokens: Record<string, string>;
  #program: Program | null = null;

  constructor(text: string, where: string, config: JsonObject) {
    this.sha256 = createHash("sha256").update(text).digest("hex");
    this.#text = text;
    this.#where = where;
    this.#tokens = namedTokens(config);
  }

  render(messages: readonly Message[], { addGenerationPrompt }: { addGenerationPrompt: boolean }): string {
    try {
      this.#program ??= parseJinja(this.#text);
      const values = {
        ...globals,
        ...this.#tokens,
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: addGenerationPrompt,
        tools: null,
        documents: null,
      };
      return runJinja(this.#program, values, BOUNDS);
    } catch (cause) {
      if (cause instanceof Refusal) {
        throw new TagllmError(
          "chat/refused",
          `The chat template of ${this.#where} refuses the messages (${messages.map((m) => m.role).join(", ")}): ${cause.message}`,
          "Give the roles and the order that it asks for.",
          { cause },
        );
      }
      throw broken(`The chat template of ${this.#where} fails: ${(cause as Error).message}.`, cause);
    }
  }
}

/** bos_token, eos_token and the like, as templates know them. */
function namedTokens(config: JsonObject): Record<string, string> {
  const entries = Object.entries(config).flatMap(([name, value]): [string, string][] => {
    const content = isObject(value) ? value.content : value;
    return /^[a-z]+_token$/.test(name) && typeof content === "string" ? [[name, content]] : [];
  });
  return Object.fromEntries(entries);
}

/** What a template says about messages that it does not take. */
class Refusal extends Error {}

/** All that templates may call. Beside these they have the tests, filters and methods of the Jinja library. */
const globals = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: (message: unknown) => {
    throw new Refusal(String(message));
  },
  range: (first: number, end?: number, step = 1): number[] => {
    const [from, to] = end === undefined ? [0, first] : [first, end];
    const length = Math.max(0, Math.ceil((to - from) / step));
    if (!(step !== 0 && length <= LARGEST)) throw new Error(`range of ${length} numbers`);
    return Array.from({ length }, (_, i) => from + i * step);
  },
  strftime_now: formatDate,
};

const named = (options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat("en-US", { timeZone: "UTC", ...options }).format(DATE);

const two = (value: number) => String(value).padStart(2, "0");

const dateParts: Readonly<Record<string, string>> = {
  a: named({ weekday: "short" }),
  A: named({ weekday: "long" }),
  b: named({ month: "short" }),
  B: named({ month: "long" }),
  d: two(DATE.getUTCDate()),
  m: two(DATE.getUTCMonth() + 1),
  y: two(DATE.getUTCFullYear() % 100),
  Y: String(DATE.getUTCFullYear()),
  H: "00",
  I: "12",
  M: "00",
  S: "00",
  p: "AM",
  "%": "%",
};

function formatDate(format: string): string {
  return format.replace(/%(.)/gs, (_, part: string) => {
    const text = dateParts[part];
    if (text === undefined) throw new Error(`strftime_now does not know %${part}`);
    return text;
  });
}
