/** How keys are typed: as text, or encoded where they are bytes that no command line can hold. */
import { optionOr } from "./command.ts";
import { choice } from "./parsers.ts";
import { typedText } from "./typed_text.ts";
import { base64Decode, hexDecode, percentDecode } from "../src/client/key_text.ts";
import { ProaError } from "../src/lib/errors.ts";
import { boundProblem, keyProblem, refuse } from "../src/wire/limits.ts";

export type KeyEncoding = "text" | "percent" | "hex" | "base64";

/** For every verb that takes keys. */
export const keyEncoding = optionOr(
  "encoding",
  choice("text", "percent", "hex", "base64"),
  "text",
  "how keys are typed: text (UTF-8), percent (%00 for bytes), hex or base64",
);

/** The key that was typed. Throws USAGE, and INVALID_REQUEST or TOO_LARGE for a key that no node would take. */
export function typedKey(typed: {
  readonly text: string;
  readonly encoding: KeyEncoding;
  readonly verb: string;
}): Uint8Array {
  const key = decode(typed);
  refuse(keyProblem(typed.verb, key.length));
  return key;
}

/** A prefix, or an end of a range, that was typed; it may be empty. */
export function typedBound(typed: {
  readonly text: string;
  readonly encoding: KeyEncoding;
  readonly verb: string;
}): Uint8Array {
  const bound = decode(typed);
  refuse(boundProblem(typed.verb, "start", bound.length));
  return bound;
}

const notText = {
  cannot: "take the key as it is typed",
  hint: "name its bytes: --key-encoding percent takes %FF for a byte, hex and base64 take all of them encoded",
};

const decoders: Readonly<Record<KeyEncoding, (text: string) => Uint8Array | null>> = {
  text: (text) => typedText(text, notText),
  percent: percentDecode,
  hex: hexDecode,
  base64: base64Decode,
};

function decode({
  text,
  encoding,
  verb,
}: {
  readonly text: string;
  readonly encoding: KeyEncoding;
  readonly verb: string;
}): Uint8Array {
  const bytes = decoders[encoding](text);
  if (bytes !== null) return bytes;
  throw new ProaError("USAGE", `Cannot ${verb}: ${JSON.stringify(text)} is not in the key encoding ${encoding}`, {
    hint: `see proa help kv ${verb}`,
  });
}
