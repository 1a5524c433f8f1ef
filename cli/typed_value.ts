/** A value as it is typed: itself, or `-` for stdin, or `@file`. */
import { closeSync, openSync } from "node:fs";
import { errorCode, readFully } from "./descriptors.ts";
import { typedText } from "./typed_text.ts";
import { ProaError } from "../src/lib/errors.ts";
import { defaultCommandLimits } from "../src/wire/limits.ts";

const stdin = 0;
const { valueBytesMax } = defaultCommandLimits;

/** The bytes of `text`. Throws TOO_LARGE beyond what nodes accept, without reading further, and USAGE for an unreadable file. */
export function typedValue(text: string): Uint8Array<ArrayBuffer> {
  const value =
    text === "-"
      ? readFully(stdin, valueBytesMax)
      : text.startsWith("@")
        ? readFile(text.slice(1))
        : typedText(text, notText);
  if (value !== null && value.length <= valueBytesMax) return value;
  throw new ProaError("TOO_LARGE", `Cannot put: the value has more than ${valueBytesMax} bytes`, {
    hint: "split it over several keys",
  });
}

const notText = {
  cannot: "take the value as it is typed",
  hint: "pass bytes through stdin or a file: proa kv put KEY - or proa kv put KEY @FILE",
};

function readFile(path: string): Uint8Array<ArrayBuffer> | null {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, "r");
    return readFully(descriptor, valueBytesMax);
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    throw new ProaError("USAGE", `Cannot read the value from ${path}: ${code}`, {
      hint: "@FILE reads a file; pass a value that begins with @ through stdin: printf %s '@…' | proa kv put KEY -",
      cause: error,
    });
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}
