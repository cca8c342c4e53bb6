/** Ids of texts met before: rows of a table have values in common, and a long sequence takes milliseconds. */

export class KnownTexts {
  readonly #ids = new Map<string, Int32Array>();
  readonly #room: number;
  #characters = 0;

  /** @param room characters that are remembered before all are forgotten */
  constructor(room = 2 ** 22) {
    this.#room = room;
  }

  get(text: string): Int32Array | undefined {
    return this.#ids.get(text);
  }

  set(text: string, ids: Int32Array): void {
    if (this.#ids.has(text)) return;
    if (this.#characters + text.length > this.#room) {
      this.#ids.clear();
      this.#characters = 0;
    }
    this.#ids.set(text, ids);
    this.#characters += text.length;
  }
}
