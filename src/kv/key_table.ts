/**
 * Finds records by their keys: a hash table that is asked with the bytes of a command, so that no text is made for a key
 * that is there. Open addressing with linear probing; what is deleted closes its gap. Its order means nothing.
 *
 * The bytes of all keys lie here once more, close together: that of a record would be asked for in three places of the
 * memory, one after the other, and most of what finding a record costs is waiting for memory.
 */
import { assert } from "../lib/assert.ts";
import { KeyBytes } from "./key_bytes.ts";
import type { KeyRecord } from "./key_record.ts";

/** A power of two, as every capacity. */
const capacityMin = 64;
/** How full it may be, so that few places are looked at. */
const loadMax = 0.7;

export class KeyTable {
  /** The records; in the same places the hashes of their keys, and where the bytes of these lie. */
  private slots: (KeyRecord | null)[] = emptySlots(capacityMin);
  private hashes = new Int32Array(capacityMin);
  private starts = new Uint32Array(capacityMin);
  private mask = capacityMin - 1;
  private count = 0;
  private keys = new KeyBytes();
  /** Where the last record was found: what is found is often replaced next. */
  private lastFound = 0;

  /** `seed` is drawn anew for each process, so that nobody can prepare keys that all fall on one place. */
  constructor(private readonly seed: number) {}

  get size(): number {
    return this.count;
  }

  /** What the bytes of keys take, those of keys that are gone included. */
  get keyBytesHeld(): number {
    return this.keys.held;
  }

  /** The record whose key is `bytes` from `start` up to `end`, without `end`. */
  find(bytes: Uint8Array, start: number, end: number): KeyRecord | null {
    const hash = hashOfBytes(this.seed, bytes, start, end);
    const { slots, hashes, starts, mask, keys } = this;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      if (hashes[place] === hash && keys.isAt(starts[place] ?? 0, bytes, start, end)) {
        this.lastFound = place;
        return slots[place] ?? null; // null where it was deleted: then it is nowhere else
      }
      if ((slots[place] ?? null) === null) return null;
    }
  }

  /** The record of `key`, as `keyText` makes it. */
  get(key: string): KeyRecord | null {
    const place = this.placeOf(key, hashOfText(this.seed, key));
    const record = this.slots[place] ?? null;
    if (record !== null) this.lastFound = place;
    return record;
  }

  /** Takes in a record whose key is not there. */
  add(record: KeyRecord): void {
    if (this.count >= this.slots.length * loadMax) this.grow();
    const hash = hashOfText(this.seed, record.key);
    const place = this.placeOf(record.key, hash);
    assert(this.slots[place] === null, "a key is added once");
    this.slots[place] = record;
    this.hashes[place] = hash;
    this.starts[place] = this.keys.add(record.key);
    this.count++;
  }

  /** Puts `next`, which has the same key, in the place of `previous`. */
  replace(previous: KeyRecord, next: KeyRecord): void {
    const isLast = this.slots[this.lastFound] === previous;
    const place = isLast ? this.lastFound : this.placeOf(previous.key, hashOfText(this.seed, previous.key));
    assert(this.slots[place] === previous, "what is replaced is there");
    this.slots[place] = next;
  }

  /** Takes out the record of `key`, which is there. */
  delete(key: string): void {
    let gap = this.placeOf(key, hashOfText(this.seed, key));
    assert(this.slots[gap] !== null, "what is deleted is there");
    this.keys.delete(key);
    for (let place = (gap + 1) & this.mask; ; place = (place + 1) & this.mask) {
      const record = this.slots[place] ?? null;
      if (record === null) break;
      const hash = this.hashes[place] ?? 0;
      // It may move back to the gap unless that lies before where it begins to be looked for.
      if (((place - hash) & this.mask) < ((place - gap) & this.mask)) continue;
      this.slots[gap] = record;
      this.hashes[gap] = hash;
      this.starts[gap] = this.starts[place] ?? 0;
      gap = place;
    }
    this.slots[gap] = null;
    this.count--;
    if (this.keys.isWasteful) this.rewriteKeys();
  }

  /** All records, in no order; nothing may change meanwhile. */
  *values(): IterableIterator<KeyRecord> {
    for (const record of this.slots) if (record !== null) yield record;
  }

  /** Where `key` is, or where it would be added. */
  private placeOf(key: string, hash: number): number {
    let place = hash & this.mask;
    for (let record = this.slots[place] ?? null; record !== null; record = this.slots[place] ?? null) {
      if (this.hashes[place] === hash && record.key === key) return place;
      place = (place + 1) & this.mask;
    }
    return place;
  }

  private grow(): void {
    const { slots, hashes, starts } = this;
    const capacity = 2 * slots.length;
    this.slots = emptySlots(capacity);
    this.hashes = new Int32Array(capacity);
    this.starts = new Uint32Array(capacity);
    this.mask = capacity - 1;
    for (let old = 0; old < slots.length; old++) {
      const record = slots[old] ?? null;
      if (record === null) continue;
      const hash = hashes[old] ?? 0;
      let place = hash & this.mask;
      while (this.slots[place] !== null) place = (place + 1) & this.mask;
      this.slots[place] = record;
      this.hashes[place] = hash;
      this.starts[place] = starts[old] ?? 0;
    }
  }

  /** Leaves out the bytes of keys that are gone. */
  private rewriteKeys(): void {
    this.keys = new KeyBytes();
    for (const [place, record] of this.slots.entries()) {
      if (record !== null) this.starts[place] = this.keys.add(record.key);
    }
  }
}

function emptySlots(capacity: number): (KeyRecord | null)[] {
  return new Array<KeyRecord | null>(capacity).fill(null);
}

/** FNV-1a from a seed of ours, stirred, because the low bits say where to look. */
function hashOfBytes(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return stirred(hash);
}

/** The same of the same key as text. */
function hashOfText(seed: number, key: string): number {
  let hash = seed;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return stirred(hash);
}

function stirred(hash: number): number {
  const product = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  return product ^ (product >>> 15);
}
