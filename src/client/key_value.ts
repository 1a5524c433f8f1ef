/** One key of the store as the client library hands it out, and what it takes for keys and values. */
import { utf8Text } from "./key_text.ts";

/** Bytes, or text that stands for its UTF-8 form. Bytes must not change until the call that they were given to has ended. */
export type Bytes = string | Uint8Array;

const utf8 = new TextEncoder();

/** The bytes that `bytes` stands for; not copied. */
export function bytesOf(bytes: Bytes): Uint8Array {
  return typeof bytes === "string" ? utf8.encode(bytes) : bytes;
}

/** What the store knows of a key besides its value. */
export interface KeyStamps {
  /** The revision at which the key was created. */
  readonly createRevision: number;
  /** The revision of the latest put: what `ifRevision` compares. */
  readonly modRevision: number;
  /** How many puts there were since the key was created: 1 for a new key. */
  readonly version: number;
  /** The lease that the key hangs on; 0 for none. */
  readonly lease: number;
}

/** A key, its value and its revisions, as they were at one revision of the store. The bytes belong to whoever holds it. */
export class KeyValue implements KeyStamps {
  readonly key: Uint8Array;
  /** Empty where a range was asked for keys only. */
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: number;

  constructor(key: Uint8Array, value: Uint8Array, stamps: KeyStamps) {
    this.key = key;
    this.value = value;
    this.createRevision = stamps.createRevision;
    this.modRevision = stamps.modRevision;
    this.version = stamps.version;
    this.lease = stamps.lease;
  }

  /** The key as text. Throws a `TypeError` where it is not UTF-8. */
  get keyText(): string {
    return textOf("key", this.key);
  }

  /** The value as text. Throws a `TypeError` where it is not UTF-8. */
  get text(): string {
    return textOf("value", this.value);
  }

  /** The value as JSON. Throws a `SyntaxError` where it is not. */
  json(): unknown {
    return JSON.parse(this.text);
  }
}

function textOf(what: string, bytes: Uint8Array): string {
  const text = utf8Text(bytes);
  if (text === null) throw new TypeError(`Cannot read the ${what} as text: it is not UTF-8`);
  return text;
}
