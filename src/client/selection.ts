/** Which keys a call of the client library means. */
import { prefixEnd } from "../wire/mod.ts";
import type { KeyRange } from "../wire/mod.ts";
import { bytesOf } from "./key_value.ts";
import type { Bytes } from "./key_value.ts";

/** Those with a prefix, or those with `start` ≤ key < `end`; `{}` is every key. */
export type Selection =
  | { readonly prefix: Bytes; readonly start?: undefined; readonly end?: undefined }
  | { readonly start?: Bytes; readonly end?: Bytes; readonly prefix?: undefined };

/** The range that `selection` means. */
export function rangeOf({ prefix, start, end }: Selection): KeyRange {
  if (prefix === undefined) {
    return { start: bytesOf(start ?? ""), end: end === undefined ? null : bytesOf(end) };
  }
  const first = bytesOf(prefix);
  return { start: first, end: prefixEnd(first) };
}
