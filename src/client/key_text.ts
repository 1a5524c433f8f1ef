/** Keys and values as text: in URLs, in JSON, and in the encodings that a command line offers for bytes. */

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Every byte outside `A-Z a-z 0-9 _ ~ -` as `%XX`; dots too, because URL parsers fold segments of dots. */
export function percentEncode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[A-Za-z0-9_~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** The inverse of {@link percentEncode}; what is not encoded stands for itself. Null where a `%` is not followed by two hexadecimal digits. */
export function percentDecode(text: string): Uint8Array<ArrayBuffer> | null {
  const source = utf8Encoder.encode(text);
  let end = 0;
  for (let at = 0; at < source.length; at++) {
    let byte = source[at] ?? 0;
    if (byte === 0x25) {
      const digits = String.fromCharCode(source[at + 1] ?? 0, source[at + 2] ?? 0);
      if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return null;
      byte = Number.parseInt(digits, 16);
      at += 2;
    }
    source[end++] = byte; // never ahead of what is still to be read
  }
  return source.subarray(0, end);
}

/** The bytes of hexadecimal digits; null for anything else. */
export function hexDecode(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^(?:[0-9A-Fa-f]{2})*$/.test(text)) return null;
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

/** The bytes of standard base64 with padding; null for anything else. */
export function base64Decode(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return null;
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** The text that is valid UTF-8; null for other bytes. A byte order mark is kept. */
export function utf8Text(bytes: Uint8Array): string | null {
  try {
    return utf8Decoder.decode(bytes);
  } catch {
    return null; // TypeError: not UTF-8
  }
}

/** `{ value }` where the bytes are UTF-8, else `{ value_b64 }`: how JSON carries bytes named `name`. */
export function jsonBytes(name: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  const text = utf8Text(bytes);
  if (text !== null) return { [name]: text };
  return { [`${name}_b64`]: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") };
}

/** The bytes of what {@link jsonBytes} wrote; null where `record` has neither property. */
export function bytesOfJson(name: string, record: Readonly<Record<string, unknown>>): Uint8Array<ArrayBuffer> | null {
  const text = record[name];
  if (typeof text === "string") return utf8Encoder.encode(text);
  const base64 = record[`${name}_b64`];
  return typeof base64 === "string" ? base64Decode(base64) : null;
}

/** A key inside a message: as it is where it is short and plain, else percent-encoded, and not all of it. */
export function shownKey(key: Uint8Array): string {
  const text = utf8Text(key.subarray(0, 65));
  return text !== null && /^[\x21-\x7e]{1,64}$/.test(text) ? text : percentEncode(key.subarray(0, 64));
}
