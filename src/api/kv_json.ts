/** Ranges as JSON: bytes that are UTF-8 as text, others in base64. */
import { jsonBytes, percentEncode } from "../client/key_text.ts";
import type { RangeAnswer, RangeItem } from "../wire/mod.ts";

/** The answer of `GET /v1/kv`. Copies everything it needs. */
export function rangePage(
  { revision, more, items }: RangeAnswer,
  options: { readonly applied: number; readonly keysOnly: boolean },
): Record<string, unknown> {
  const last = items.at(-1);
  return {
    revision,
    applied: options.applied,
    kvs: items.map((item) => itemJson(item, options)),
    more,
    ...(more && last !== undefined && { next: percentEncode(successor(last.key)) }),
  };
}

function itemJson({ key, state }: RangeItem, { keysOnly }: { readonly keysOnly: boolean }): Record<string, unknown> {
  return {
    ...jsonBytes("key", key),
    ...(!keysOnly && jsonBytes("value", state.value)),
    create_revision: state.createRevision,
    mod_revision: state.modRevision,
    version: state.version,
    lease: state.lease,
  };
}

/** The lowest key above `key`. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
