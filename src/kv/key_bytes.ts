/** The bytes of many keys, one behind the other in one buffer, each behind its length. */

import { release } from "../lib/release.ts";

/** The length of a key takes so many bytes. */
const lengthBytes = 2;
const capacityMin = 1024;
/** Nothing is wasted below this. Bytes. */
const wasteMin = 64 * 1024;

export class KeyBytes {
  private buffer = new Uint8Array(capacityMin);
  private used = 0;
  /** How many of those used belong to keys that are gone. */
  private wasted = 0;

  /** Bytes used. */
  get held(): number {
    return this.used;
  }

  /** Whether half of it belongs to keys that are gone: then the rest should be written anew. */
  get isWasteful(): boolean {
    return this.wasted > wasteMin && this.wasted * 2 > this.used;
  }

  /** Where all keys lie; elsewhere after {@link add}, and no longer here. */
  get bytes(): Uint8Array {
    return this.buffer;
  }

  /** Writes a key and returns its place. */
  add(key: Uint8Array): number {
    const place = this.used;
    const { length } = key;
    this.reserve(lengthBytes + length);
    const { buffer } = this;
    buffer[place] = length >> 8;
    buffer[place + 1] = length;
    buffer.set(key, place + lengthBytes);
    this.used += lengthBytes + length;
    return place;
  }

  /** The key at `place` is gone. Its bytes stay. */
  delete(place: number): void {
    this.wasted += lengthBytes + this.lengthAt(place);
  }

  lengthAt(place: number): number {
    return ((this.buffer[place] ?? 0) << 8) + (this.buffer[place + 1] ?? 0);
  }

  /** Where the first byte of the key at `place` lies. */
  startAt(place: number): number {
    return place + lengthBytes;
  }

  /** The key at `place`, as a view. */
  viewAt(place: number): Uint8Array {
    return this.buffer.subarray(place + lengthBytes, place + lengthBytes + this.lengthAt(place));
  }

  /** Whether the key that lies at `place` is `key` from `start` up to `end`, without `end`. */
  isAt(place: number, key: Uint8Array, start: number, end: number): boolean {
    const { buffer } = this;
    const length = end - start;
    if (this.lengthAt(place) !== length) return false;
    const first = place + lengthBytes;
    for (let at = 0; at < length; at++) if (buffer[first + at] !== key[start + at]) return false;
    return true;
  }

  private reserve(bytes: number): void {
    const needed = this.used + bytes;
    if (needed <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, Math.ceil(this.buffer.length * 1.5)));
    grown.set(this.buffer.subarray(0, this.used));
    release(this.buffer);
    this.buffer = grown;
  }
}
