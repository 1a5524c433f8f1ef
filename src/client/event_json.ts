/** Changes as JSON: the same in server-sent events and on the command line. */
import { jsonBytes } from "./key_text.ts";
import type { KeyStamps } from "./key_value.ts";

type Version = KeyStamps & { readonly value: Uint8Array };

/** A put has what the key became; a delete only the revision at which it went. */
export function eventJson(event: {
  readonly key: Uint8Array;
  readonly modRevision: number;
  readonly now: Version | null;
  readonly previous: Version | null;
}): Readonly<Record<string, unknown>> {
  const { key, modRevision, now, previous } = event;
  const before = previous === null ? {} : { previous: versionJson(previous) };
  if (now === null) return { type: "delete", ...jsonBytes("key", key), mod_revision: modRevision, ...before };
  return { type: "put", ...jsonBytes("key", key), ...versionJson(now), ...before };
}

function versionJson(version: Version): Readonly<Record<string, unknown>> {
  return {
    ...jsonBytes("value", version.value),
    create_revision: version.createRevision,
    mod_revision: version.modRevision,
    version: version.version,
    lease: version.lease,
  };
}
