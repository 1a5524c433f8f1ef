/**
 * Keys as text in memory: one UTF-16 unit for each byte (latin1), so that a key of any bytes can be looked up in a Map
 * and `<` orders keys by their bytes. Never shown to anybody.
 */

/** Reads keys out of `bytes` without a view for each of them. */
export interface KeyTexts {
  /** The text of the bytes from `start` up to `end`, without `end`. */
  slice(start: number, end: number): string;
}

export function keyTexts(bytes: Uint8Array): KeyTexts {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength); // a view: no copy
  return { slice: (start, end) => buffer.toString("latin1", start, end) };
}

export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

/** The inverse of {@link keyText}. */
export function keyBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
