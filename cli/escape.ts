/** Bytes on one line for people: printable UTF-8 as it is, everything else as `\xNN`, a backslash as `\\`. */
import { utf8Text } from "../src/client/key_text.ts";

/** A line that shows `bytes` and can be turned back into them (`printf '%b'` does). */
export function escapeBytes(bytes: Uint8Array): string {
  const text = utf8Text(bytes);
  if (text === null)
    return [...bytes].map((byte) => (byte < 0x80 ? escapeText(String.fromCharCode(byte)) : hex(byte))).join("");
  return escapeText(text);
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
