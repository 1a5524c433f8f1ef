/** Versions of keys as clients see them: values by their names and lengths, which say everything of them. */
import { assert } from "../lib/assert.ts";
import type { KeyState } from "../wire/mod.ts";

/** Names a value; 0 stands for a key that does not exist. */
export type ValueId = number;

/** Every value begins with its name, and zeros follow. */
export const valueIdBytes = 4;

/** A value that was put, or is compared with. */
export interface NamedValue {
  readonly value: ValueId;
  /** Bytes, at least {@link valueIdBytes}. */
  readonly length: number;
}

/** A key as it was for a while. */
export interface KeyVersion extends NamedValue {
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** 0: it hangs on none. */
  readonly lease: number;
}

/** One key in an answer. */
export interface FoundKey {
  readonly key: string;
  readonly version: KeyVersion;
}

export function valueBytes({ value, length }: NamedValue): Uint8Array {
  const bytes = new Uint8Array(Math.max(valueIdBytes, length));
  for (let i = 0; i < valueIdBytes; i++) bytes[i] = value >>> (24 - 8 * i);
  return bytes;
}

export function namedValue(bytes: Uint8Array): NamedValue {
  assert(bytes.length >= valueIdBytes, "no put of the simulator writes so short a value");
  let value = 0;
  for (let i = 0; i < valueIdBytes; i++) value = value * 256 + (bytes[i] ?? 0);
  return { value, length: bytes.length };
}

export function versionOf({ value, createRevision, modRevision, version, lease }: KeyState): KeyVersion {
  return { ...namedValue(value), createRevision, modRevision, version, lease };
}

/** Below 0 where the bytes of `a` come before those of `b`. */
export function compareValues(a: NamedValue, b: NamedValue): number {
  return a.value - b.value || a.length - b.length;
}

export function describeFound(found: readonly FoundKey[]): string {
  return found.map(({ key, version }) => `${key}=${describeVersion(version)}`).join();
}

export function describeVersion({ value, length, createRevision, modRevision, version, lease }: KeyVersion): string {
  return `${value}(${length})/${createRevision}/${modRevision}/${version}${lease === 0 ? "" : ` on ${lease}`}`;
}
