/** A word as a shell reads it: as it is, or in double quotes, which Windows knows too. */
export const shellWord = (text: string): string =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `"${text.replace(/[\\"$`]/g, "\\$&")}"`;
