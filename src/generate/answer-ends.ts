/** What ends an answer, in `generate` as in `predict`: what an answer ended with when a tag was trained to write it. */
import type { Base } from "../models/base.ts";
import { type AnswerEnd, endToken } from "../prompts/prompt.ts";

export interface AnswerEnds {
  /** Tokens: those that end the base's texts and, in chats, its messages. */
  readonly eos: readonly number[];
  /** The literal that closes the template, where no token says that the answer is over. */
  readonly stop: readonly string[];
}

export function answerEnds(
  { endTokens, tokenizer }: Pick<Base, "endTokens" | "tokenizer">,
  end: AnswerEnd,
): AnswerEnds {
  const message = endToken(end, tokenizer);
  const isSilent = tokenizer.eosId === null && message === null && end.closing !== "";
  return {
    eos: message === null ? endTokens : [...endTokens, message],
    stop: isSilent ? [end.closing] : [],
  };
}
