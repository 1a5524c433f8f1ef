/**
 * All keys of which a version can be read, each with a number and its newest version. Finds them by their bytes: a hash
 * table with open addressing and linear probing, where what is taken out closes its gap. No key is an object, and none a text.
 */
import { assert } from "../lib/assert.ts";
import { crc32 } from "../lib/checksum.ts";
import { release } from "../lib/release.ts";
import type { KeyRange } from "../wire/mod.ts";
import type { KeyBatch } from "./key_batch.ts";
import { KeyBytes } from "./key_bytes.ts";
import type { KeysAhead } from "./keys_ahead.ts";
import { type KeyNumber, type Row, noKey, noRow } from "./rows.ts";

/** Stand for the bounds of a range, which need not be keys: see {@link KeyTable.setBounds}. */
export const lowerBound: KeyNumber = -1;
export const upperBound: KeyNumber = -2;

/** Where a key lies: from the first byte up to the second, without it. */
export interface KeyPlace {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Places of the table, a power of two, as every number of places. */
const placesMin = 64;
/** How full it may be, so that few places are looked at. */
const loadMax = 0.7;

/** Two words for each place: the hash of a key, and its number. */
const placeBits = 1;

/** Four words for each key: where its bytes lie, its newest version, its checksum, and whether it is there. */
const infoBits = 2;
const bytesAt = 0;
const newestAt = 1;
const checksumAt = 2;
const usedAt = 3;

/** A place that is filled in again for each key. */
type PlaceDraft = { -readonly [Name in keyof KeyPlace]: KeyPlace[Name] };

const noBytes = new Uint8Array(0);

export class KeyTable {
  private places = new Int32Array(placesMin << placeBits);
  private mask = placesMin - 1;
  private info = new Int32Array(placesMin << infoBits);
  private keys = new KeyBytes();
  /** The first number that was never given. */
  private fresh: KeyNumber = noKey + 1;
  /** Numbers of keys that were taken out. */
  private readonly free: KeyNumber[] = [];
  private count = 0;
  private lower: Uint8Array = noBytes;
  private upper: Uint8Array = noBytes;
  private readonly left: PlaceDraft = { bytes: noBytes, start: 0, end: 0 };
  private readonly right: PlaceDraft = { bytes: noBytes, start: 0, end: 0 };

  /** `seed` is drawn anew for each process, so that nobody can prepare keys that all fall on one place. */
  constructor(private readonly seed: number) {}

  get size(): number {
    return this.count;
  }

  /** What the bytes of keys take, those of keys that are gone included. */
  get keyBytesHeld(): number {
    return this.keys.held;
  }

  /** The key that is `bytes` from `start` up to `end`, without `end`. */
  find(bytes: Uint8Array, start = 0, end = bytes.length): KeyNumber {
    return this.findHashed(hashOf(this.seed, bytes, start, end), bytes, start, end);
  }

  private findHashed(hash: number, bytes: Uint8Array, start: number, end: number): KeyNumber {
    const { places, mask, keys } = this;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const key = places[(place << placeBits) + 1] ?? noKey;
      if (key === noKey) return noKey;
      if (places[place << placeBits] === hash && keys.isAt(this.wordOf(key, bytesAt), bytes, start, end)) return key;
    }
  }

  /** Leaves in `batch` the newest version of each of its keys, which lie in `bytes`; none for those that are not there. */
  findAll(bytes: Uint8Array, batch: KeyBatch): void {
    this.lookAt(bytes, batch);
    const { starts, ends, hashes, found, count } = batch;
    for (let i = 0; i < count; i++) {
      found[i] = this.newest(this.findHashed(hashes[i] ?? 0, bytes, starts[i] ?? 0, ends[i] ?? 0));
    }
  }

  /**
   * Looks at all that {@link find} will look at. Leaves the newest versions, as far as a look tells: another key may stand in the
   * place of one. What it returns means nothing, and only sees to it that everything is looked at.
   */
  lookAt(bytes: Uint8Array, { starts, ends, hashes, found, count }: KeyBatch): number {
    const { places, mask, info, keys } = this;
    for (let i = 0; i < count; i++) {
      const hash = hashOf(this.seed, bytes, starts[i] ?? 0, ends[i] ?? 0);
      hashes[i] = hash;
      found[i] = places[((hash & mask) << placeBits) + 1] ?? noKey;
    }
    let seen = 0;
    for (let i = 0; i < count; i++) {
      const start = (found[i] ?? noKey) << infoBits;
      seen |= keys.lengthAt(info[start + bytesAt] ?? 0);
      found[i] = info[start + newestAt] ?? noRow;
    }
    return seen;
  }

  /** Looks at what {@link newest} and {@link place} say of keys. */
  lookAtKeys({ numbers, lengths, rows, count }: KeysAhead): void {
    const { info, keys } = this;
    for (let i = 0; i < count; i++) {
      const start = (numbers[i] ?? noKey) << infoBits;
      rows[i] = info[start + newestAt] ?? noRow;
      lengths[i] = keys.lengthAt(info[start + bytesAt] ?? 0);
    }
  }

  /** Takes in a key that is not there. It has no version yet. */
  add(bytes: Uint8Array): KeyNumber {
    const { size } = this;
    const key = this.findOrAdd(bytes);
    assert(this.size > size, "a key is added once");
    return key;
  }

  /** The key that is `bytes`; one that is not there is taken in, and has no version yet. */
  findOrAdd(bytes: Uint8Array): KeyNumber {
    if (this.count >= (this.mask + 1) * loadMax) this.grow();
    const hash = hashOf(this.seed, bytes, 0, bytes.length);
    const { places, mask, keys } = this;
    let place = hash & mask;
    for (let key = this.keyAt(place); key !== noKey; key = this.keyAt(place)) {
      const isSame =
        places[place << placeBits] === hash && keys.isAt(this.wordOf(key, bytesAt), bytes, 0, bytes.length);
      if (isSame) return key;
      place = (place + 1) & mask;
    }
    const key = this.newNumber();
    places[place << placeBits] = hash;
    places[(place << placeBits) + 1] = key;
    this.setWord(key, bytesAt, keys.add(bytes));
    this.setWord(key, newestAt, noRow);
    this.setWord(key, checksumAt, crc32(bytes));
    this.setWord(key, usedAt, 1);
    this.count++;
    return key;
  }

  /** Takes out a key. Its number may be given to another. */
  delete(key: KeyNumber): void {
    assert(this.has(key), "what is deleted is there");
    this.closeGap(this.placeOf(key));
    this.keys.delete(this.wordOf(key, bytesAt));
    this.setWord(key, usedAt, 0);
    this.free.push(key);
    this.count--;
    if (this.keys.isWasteful) this.rewriteKeys();
  }

  has(key: KeyNumber): boolean {
    return key > noKey && this.wordOf(key, usedAt) === 1;
  }

  /** The newest version of `key`; none for no key. */
  newest(key: KeyNumber): Row {
    return this.wordOf(key, newestAt);
  }

  setNewest(key: KeyNumber, row: Row): void {
    this.setWord(key, newestAt, row);
  }

  /** The CRC-32 of its bytes, as an integer with a sign. */
  checksum(key: KeyNumber): number {
    return this.wordOf(key, checksumAt);
  }

  length(key: KeyNumber): number {
    return this.keys.lengthAt(this.wordOf(key, bytesAt));
  }

  /** A view, good until a key comes or goes. */
  bytes(key: KeyNumber): Uint8Array {
    return this.keys.viewAt(this.wordOf(key, bytesAt));
  }

  /** What is to stand for the bounds of a range in {@link compare} until this is called again. The bytes must not change meanwhile. */
  setBounds({ start, end }: KeyRange): void {
    this.lower = start;
    this.upper = end ?? noBytes;
  }

  /** The order of the bytes of two keys or bounds: below 0 when the first comes first, 0 when they are the same. */
  compare(first: KeyNumber, second: KeyNumber): number {
    if (first === second) return 0;
    this.locate(first, this.left);
    this.locate(second, this.right);
    return comparePlaces(this.left, this.right);
  }

  /** Where the bytes of a key or bound lie, good until the next call. */
  place(key: KeyNumber): KeyPlace {
    this.locate(key, this.left);
    return this.left;
  }

  /** All keys, in no order; nothing may come or go meanwhile. */
  *all(): IterableIterator<KeyNumber> {
    for (let key = noKey + 1; key < this.fresh; key++) if (this.has(key)) yield key;
  }

  private locate(key: KeyNumber, place: PlaceDraft): void {
    if (key > noKey) {
      const { keys } = this;
      const at = this.wordOf(key, bytesAt);
      place.bytes = keys.bytes;
      place.start = keys.startAt(at);
      place.end = place.start + keys.lengthAt(at);
    } else {
      place.bytes = key === lowerBound ? this.lower : this.upper;
      place.start = 0;
      place.end = place.bytes.length;
    }
  }

  private keyAt(place: number): KeyNumber {
    return this.places[(place << placeBits) + 1] ?? noKey;
  }

  /** Where in the table `key` is. */
  private placeOf(key: KeyNumber): number {
    const bytes = this.bytes(key);
    let place = hashOf(this.seed, bytes, 0, bytes.length) & this.mask;
    while (this.keyAt(place) !== key) place = (place + 1) & this.mask;
    return place;
  }

  private closeGap(free: number): void {
    const { places, mask } = this;
    let gap = free;
    for (let place = (gap + 1) & mask; this.keyAt(place) !== noKey; place = (place + 1) & mask) {
      const hash = places[place << placeBits] ?? 0;
      // It may move back to the gap unless that lies before where it begins to be looked for.
      if (((place - hash) & mask) < ((place - gap) & mask)) continue;
      this.copyPlace(place, gap);
      gap = place;
    }
    places[(gap << placeBits) + 1] = noKey;
  }

  private copyPlace(from: number, to: number): void {
    this.places.copyWithin(to << placeBits, from << placeBits, (from + 1) << placeBits);
  }

  private grow(): void {
    const old = this.places;
    this.places = new Int32Array(2 * old.length);
    this.mask = 2 * this.mask + 1;
    for (let at = 0; at < old.length; at += 1 << placeBits) {
      const [hash, key] = [old[at] ?? 0, old[at + 1] ?? noKey];
      if (key === noKey) continue;
      let place = hash & this.mask;
      while (this.keyAt(place) !== noKey) place = (place + 1) & this.mask;
      this.places[place << placeBits] = hash;
      this.places[(place << placeBits) + 1] = key;
    }
    release(old);
  }

  private newNumber(): KeyNumber {
    const free = this.free.pop();
    if (free !== undefined) return free;
    const number = this.fresh++;
    if ((number + 1) << infoBits > this.info.length) {
      const grown = new Int32Array(Math.ceil((number + 1) * 1.5) << infoBits);
      grown.set(this.info);
      release(this.info);
      this.info = grown;
    }
    return number;
  }

  /** Leaves out the bytes of keys that are gone. */
  private rewriteKeys(): void {
    const kept = new KeyBytes();
    for (const key of this.all()) this.setWord(key, bytesAt, kept.add(this.bytes(key)));
    this.keys = kept;
  }

  private wordOf(key: KeyNumber, at: number): number {
    return this.info[(key << infoBits) + at] ?? 0;
  }

  private setWord(key: KeyNumber, at: number, value: number): void {
    this.info[(key << infoBits) + at] = value;
  }
}

/** FNV-1a from a seed of ours, stirred, because the low bits say where to look. */
function hashOf(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  const product = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  return product ^ (product >>> 15);
}

function comparePlaces(a: KeyPlace, b: KeyPlace): number {
  const [aLength, bLength] = [a.end - a.start, b.end - b.start];
  const shared = Math.min(aLength, bLength);
  for (let at = 0; at < shared; at++) {
    const difference = (a.bytes[a.start + at] ?? 0) - (b.bytes[b.start + at] ?? 0);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}
