/** The bytes of many keys, one behind the other in one buffer, each behind its length. */

/** The length of a key takes so many bytes. */
const lengthBytes = 2;
const capacityMin = 1024;
/** Nothing is wasted below this. Bytes. */
const wasteMin = 64 * 1024;

export class KeyBytes {
  private bytes = new Uint8Array(capacityMin);
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

  /** Writes a key, of one UTF-16 unit for each byte, and returns where it lies. */
  add(key: string): number {
    const start = this.used;
    const { length } = key;
    this.reserve(lengthBytes + length);
    const { bytes } = this;
    bytes[start] = length >> 8;
    bytes[start + 1] = length;
    for (let at = 0; at < length; at++) bytes[start + lengthBytes + at] = key.charCodeAt(at);
    this.used += lengthBytes + length;
    return start;
  }

  /** The key is gone. Its bytes stay. */
  delete(key: string): void {
    this.wasted += lengthBytes + key.length;
  }

  /** Whether the key that lies at `place` is `key` from `start` up to `end`, without `end`. */
  isAt(place: number, key: Uint8Array, start: number, end: number): boolean {
    const { bytes } = this;
    const length = end - start;
    if (((bytes[place] ?? 0) << 8) + (bytes[place + 1] ?? 0) !== length) return false;
    const first = place + lengthBytes;
    for (let at = 0; at < length; at++) if (bytes[first + at] !== key[start + at]) return false;
    return true;
  }

  private reserve(bytes: number): void {
    const needed = this.used + bytes;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, Math.ceil(this.bytes.length * 1.5)));
    grown.set(this.bytes.subarray(0, this.used));
    this.bytes = grown;
  }
}
