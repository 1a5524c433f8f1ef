/** Text as it was typed, as bytes: what the runtime could not read as UTF-8 is refused, because it is gone. */
import { ProaError } from "../src/lib/errors.ts";

const utf8 = new TextEncoder();

/**
 * The bytes of an argument. The runtimes decode arguments before we see them and put U+FFFD in place of bytes that are not
 * UTF-8, so that two different arguments become one: such a text is refused with USAGE, and `hint` says how else to pass it.
 */
export function typedText(
  text: string,
  refusal: { readonly cannot: string; readonly hint: string },
): Uint8Array<ArrayBuffer> {
  if (!text.includes("\uFFFD")) return utf8.encode(text);
  throw new ProaError(
    "USAGE",
    `Cannot ${refusal.cannot}: it is not valid UTF-8, or holds the replacement character U+FFFD`,
    {
      hint: refusal.hint,
    },
  );
}
