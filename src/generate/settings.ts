/** What can be set when text is generated: the settings, what they are by default, and what they cannot be. */
import { TagllmError } from "../errors.ts";
import type { BeamOptions } from "./beams.ts";
import type { Sampling } from "./sampling.ts";

export interface TextSettings extends Partial<Sampling>, Partial<Omit<BeamOptions, "repetitionPenalty">> {
  /** Tokens of an answer at most; default 128. */
  readonly maxTokens?: number;
  /** Texts at which an answer ends; neither they nor what follows is part of it. */
  readonly stop?: readonly string[];
  /**
   * Tokens that end an answer; default: what the checkpoint says and, in a chat, what ends its messages; where there is
   * neither, the text that closes the template does. None: answers end at `maxTokens` or `stop`.
   */
  readonly eos?: readonly number[];
  /** Row i draws with the seed `seed` + i, whatever the rows beside it; default 0. */
  readonly seed?: number;
  /** Texts that are written at the same time, rounded up to a power of two; default 16. */
  readonly lanes?: number;
}

export interface FullSettings extends Sampling, BeamOptions {
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly eos: ReadonlySet<number>;
  readonly seed: number;
  readonly lanes: number;
}

type Check = readonly [isFine: (value: number) => boolean, rule: string];

const LARGEST = 2 ** 31 - 1;

const whole = (least: number, most = LARGEST): Check => [
  (x) => Number.isInteger(x) && x >= least && x <= most,
  most === LARGEST ? `a whole number of ${least} or more` : `a whole number from ${least} to ${most}`,
];

/** By setting: its name for people, its default, and what it must be. */
const numbers = {
  maxTokens: ["max-tokens", 128, whole(1)],
  temperature: ["temperature", 0, [(x) => x >= 0 && Number.isFinite(x), "0 or more"]],
  topK: ["top-k", 0, whole(0)],
  topP: ["top-p", 1, [(x) => x > 0 && x <= 1, "above 0 and at most 1"]],
  minP: ["min-p", 0, [(x) => x >= 0 && x <= 1, "from 0 to 1"]],
  repetitionPenalty: ["repetition-penalty", 1, [(x) => x > 0 && Number.isFinite(x), "above 0"]],
  beams: ["beams", 1, whole(1, 64)],
  lengthPenalty: ["length-penalty", 1, [Number.isFinite, "a number"]],
  seed: ["seed", 0, whole(0)],
  lanes: ["lanes", 16, whole(1, 1024)],
} as const satisfies Record<string, readonly [string, number, Check]>;

/** Settings that change nothing when the likeliest token is taken. */
const ofDrawing = ["topK", "topP", "minP"] as const;
const ofBeams = ["lengthPenalty", "earlyStopping"] as const;

/**
 * @param endTokens of the base, where the settings name none
 * @throws generate/setting
 */
export function fullSettings(
  settings: TextSettings,
  endTokens: readonly number[],
  vocabSize: number,
): FullSettings {
  const values = Object.fromEntries(
    Object.entries(numbers).map(([key, [name, otherwise, [isFine, rule]]]) => {
      const value = settings[key as keyof typeof numbers] ?? otherwise;
      if (typeof value !== "number" || !isFine(value))
        throw wrong(`The setting ${name} is ${JSON.stringify(value)}.`, `It must be ${rule}.`);
      return [key, value];
    }),
  ) as Record<keyof typeof numbers, number>;
  const { stop = [], eos = endTokens, earlyStopping = false } = settings;
  if (![true, false, "never"].includes(earlyStopping))
    throw wrong(
      `The setting early-stopping is ${JSON.stringify(earlyStopping)}.`,
      "It must be true, false or never.",
    );
  if (stop.some((text) => typeof text !== "string" || text === ""))
    throw wrong("A stop string is empty.", "Give at least one character, or leave it out.");
  const stranger = eos.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (stranger !== undefined)
    throw wrong(`The end token ${stranger} is not one of the base.`, `Its tokens are 0 to ${vocabSize - 1}.`);
  checkTogether(settings, values);
  return {
    ...values,
    lanes: 2 ** Math.ceil(Math.log2(values.lanes)),
    earlyStopping,
    stop,
    eos: new Set(eos),
  };
}

function checkTogether(
  settings: TextSettings,
  { temperature, beams }: { temperature: number; beams: number },
): void {
  const name = (key: keyof typeof numbers | "earlyStopping") =>
    key === "earlyStopping" ? "early-stopping" : numbers[key][0];
  const idle = ofDrawing.find((key) => settings[key] !== undefined && settings[key] !== numbers[key][1]);
  if (temperature === 0 && idle)
    throw wrong(
      `The setting ${name(idle)} is for drawing, and with temperature 0 the likeliest token is taken.`,
      "Set the temperature above 0, for example to 1.",
    );
  const alone = ofBeams.find((key) => settings[key] !== undefined);
  if (beams === 1 && alone)
    throw wrong(`The setting ${name(alone)} is for beam search.`, "Set beams above 1, or leave it out.");
  if (beams > 1 && temperature > 0)
    throw wrong(
      "Beam search takes the likeliest texts and draws nothing.",
      "Leave the temperature out, or beams.",
    );
}

const wrong = (problem: string, cure: string): TagllmError =>
  new TagllmError("generate/setting", problem, cure);
