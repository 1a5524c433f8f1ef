/** Bytes on one line for people: printable UTF-8 as it is, everything else as `\xNN`, a backslash as `\\`. */
import { utf8Text } from "../src/client/key_text.ts";

/** A line that shows `bytes` and can be turned back into them (`printf '%b'` does). */
export function escapeBytes(bytes: Uint8Array): string {
  const text = utf8Text(bytes);
  if (text === null)
    return [...bytes].map((byte) => (byte < 0x80 ? escapeText(String.fromCharCode(byte)) : hex(byte))).join("");
  return escapeText(text);
}

const byteOfEscape: Readonly<Record<string, number>> = { "\\": 0x5c, t: 0x09, n: 0x0a, r: 0x0d };

/** The inverse of {@link escapeBytes}, which also knows `\t`, `\n` and `\r`; null for a backslash before anything else. */
export function unescapeText(text: string): Uint8Array<ArrayBuffer> | null {
  const pieces: Uint8Array[] = [];
  let rest = text;
  for (let at = rest.indexOf("\\"); at !== -1; at = rest.indexOf("\\")) {
    const hexDigits = /^x([0-9A-Fa-f]{2})/.exec(rest.slice(at + 1, at + 4))?.[1];
    const byte = hexDigits === undefined ? byteOfEscape[rest[at + 1] ?? ""] : Number.parseInt(hexDigits, 16);
    if (byte === undefined) return null;
    pieces.push(utf8.encode(rest.slice(0, at)), Uint8Array.of(byte));
    rest = rest.slice(at + (hexDigits === undefined ? 2 : 4));
  }
  pieces.push(utf8.encode(rest));
  return new Uint8Array(Buffer.concat(pieces));
}

const utf8 = new TextEncoder();

/** Control and format characters, separators of lines, and characters that no font has: a terminal would obey or hide them. */
function escapeText(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}\\]/gu, (character) => {
    return character === "\\" ? "\\\\" : [...utf8.encode(character)].map(hex).join("");
  });
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
