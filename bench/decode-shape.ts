/** The decoding that is measured: its model, the prompt that is read, and how many tokens are written after it. */
import { smollm } from "./bases.ts";

export interface DecodeShape {
  /** As in a checkpoint's config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Tokens of the prompt; the text after it is as long as it takes to say `tokens` tokens. */
  readonly prompt: number;
  readonly tokens: number;
  readonly threads: number;
}

/** SmolLM2-135M: 128 tokens after a prompt of 512, one text. */
export const smollmDecoding: DecodeShape = {
  config: smollm,
  prompt: 512,
  tokens: 128,
  threads: 2,
};

/** What a side says of one text. */
export interface Decoded {
  /** Until the first token is there. */
  readonly promptSeconds: number;
  /** For all tokens after it. */
  readonly decodeSeconds: number;
}
