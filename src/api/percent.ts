/** Percent-encoded bytes (RFC 3986): keys are bytes, so nothing here is decoded as text, normalised or refused for what it means. */
import { ProaError } from "../lib/errors.ts";

const utf8 = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** Every byte but the unreserved characters of RFC 3986 as `%XX`. */
export function percentEncode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += isUnreserved(byte) ? String.fromCharCode(byte) : escaped(byte);
  return text;
}

/**
 * The bytes that `text` stands for; what is not encoded stands for itself, in UTF-8. Throws INVALID_REQUEST, naming
 * `what` was to be read, where a `%` is not followed by two hexadecimal digits.
 */
export function percentDecode(text: string, what: string): Uint8Array<ArrayBuffer> {
  const source = utf8.encode(text);
  if (!text.includes("%")) return source;
  let end = 0;
  for (let at = 0; at < source.length; at++) {
    let byte = source[at] ?? 0;
    if (byte === 0x25) {
      const value = hexValue(source[at + 1]) * 16 + hexValue(source[at + 2]);
      if (Number.isNaN(value)) throw malformed(source.subarray(at, at + 3), what);
      byte = value;
      at += 2;
    }
    source[end++] = byte; // never ahead of what is still to be read
  }
  return source.subarray(0, end);
}

function isUnreserved(byte: number): boolean {
  const isDigit = byte >= 0x30 && byte <= 0x39;
  const isLetter = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
  return isDigit || isLetter || byte === 0x2d || byte === 0x2e || byte === 0x5f || byte === 0x7e; // - . _ ~
}

function escaped(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** NaN where it is no hexadecimal digit. */
function hexValue(byte: number | undefined): number {
  if (byte === undefined) return NaN;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : NaN;
}

function malformed(sequence: Uint8Array, what: string): ProaError {
  const found = JSON.stringify(latin1.decode(sequence));
  return new ProaError("INVALID_REQUEST", `Cannot read ${what}: ${found} is not a percent-encoded byte`, {
    hint: "write % itself as %25",
  });
}
