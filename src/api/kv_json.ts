/** Ranges as JSON: bytes that are UTF-8 as text, others in base64. */
import { isUtf8 } from "node:buffer";
import type { RangeAnswer, RangeItem } from "../wire/mod.ts";
import { percentEncode } from "./percent.ts";

/** Keeps a byte order mark, which is part of the key. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

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
    ...bytesJson("key", key),
    ...(!keysOnly && bytesJson("value", state.value)),
    create_revision: state.createRevision,
    mod_revision: state.modRevision,
    version: state.version,
    lease: state.lease,
  };
}

function bytesJson(name: "key" | "value", bytes: Uint8Array): Record<string, string> {
  if (isUtf8(bytes)) return { [name]: utf8.decode(bytes) };
  return { [`${name}_b64`]: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") };
}

/** The lowest key above `key`. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
