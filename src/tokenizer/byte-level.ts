/** The byte alphabet of GPT-2: each byte is one printable character, so that a token of any bytes can stand in JSON. */

/** The bytes that stand for themselves: printable in Latin-1 and no blank. All others follow from U+0100 on. */
const printable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);

const byteOfCharacter = makeAlphabet();

function makeAlphabet(): ReadonlyMap<string, number> {
  const alphabet = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++)
    alphabet.set(String.fromCharCode(printable(byte) ? byte : next++), byte);
  return alphabet;
}

/** The text of a token written in the byte alphabet; bytes that are no whole UTF-8 character as `<0xE2>`. */
export function byteLevelText(token: string): string {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = byteOfCharacter.get(character);
    if (byte === undefined) return token;
    bytes.push(byte);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return bytes.map((byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`).join("");
  }
}
