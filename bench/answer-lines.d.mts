export function answerLines(
  answer: (request: string) => Promise<object>,
  closing: () => Promise<object>,
): Promise<never>;
