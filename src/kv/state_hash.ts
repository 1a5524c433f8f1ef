/**
 * A hash of everything the store holds, kept up to date at the cost of the change alone: the sum, over all keys, of
 * a hash of each version of it. A sum does not care for order, so two stores that came to the same state by different ways
 * agree, and a record is taken out by subtracting what it added. Finds faults and bugs, not forgery: a value that
 * changed without its revision is missed once in 2^32 times.
 */
import { crc32 } from "../lib/checksum.ts";
import type { KeyState } from "../wire/mod.ts";

/** 64 bits as two 32-bit integers, each made of all that the record says, with another seed. */
export interface RecordHash {
  readonly hashHigh: number;
  readonly hashLow: number;
}

/** What sets the two halves apart. */
const highSeed = 0x2545f491;
const lowSeed = 0x1b873593;

export class StateHash {
  private high = highSeed;
  private low = lowSeed;

  add(record: RecordHash): void {
    this.high = (this.high + record.hashHigh) | 0;
    this.low = (this.low + record.hashLow) | 0;
  }

  subtract(record: RecordHash): void {
    this.high = (this.high - record.hashHigh) | 0;
    this.low = (this.low - record.hashLow) | 0;
  }

  /** The hash as two 32-bit integers. */
  numbers(): readonly number[] {
    return [this.high, this.low];
  }

  /** A hash of its own: over the records, and over `numbers` in their order. */
  with(numbers: readonly number[]): StateHash {
    const hash = new StateHash();
    hash.high = numbers.reduce(mixNumber, this.high);
    hash.low = numbers.reduce(mixNumber, this.low);
    return hash;
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    return hex(this.high) + hex(this.low);
  }
}

/** The hash of a key, given by its CRC-32, with its state. */
export function recordHash(keyChecksum: number, state: KeyState): RecordHash {
  const { createRevision, modRevision, version, lease } = state;
  const hashed = { createRevision, modRevision, version, lease, hashHigh: 0, hashLow: 0 };
  stampHash(hashed, keyChecksum, crc32(state.value));
  return hashed;
}

/** The numbers of a record, and its hash. */
interface Stamped extends Omit<KeyState, "value"> {
  hashHigh: number;
  hashLow: number;
}

/** Writes the hash of a record, given the CRC-32 of its key and value, into the record. */
export function stampHash(record: Stamped, keyChecksum: number, valueChecksum: number): void {
  record.hashHigh = mixState(mix(mix(highSeed, keyChecksum), valueChecksum), record);
  record.hashLow = mixState(mix(mix(lowSeed, keyChecksum), valueChecksum), record);
}

/** The hash of numbers in their order. */
export function hashOfNumbers(numbers: readonly number[]): RecordHash {
  return { hashHigh: numbers.reduce(mixNumber, highSeed), hashLow: numbers.reduce(mixNumber, lowSeed) };
}

function mixState(hash: number, state: Omit<KeyState, "value">): number {
  const stamped = mixNumber(mixNumber(hash, state.createRevision), state.modRevision);
  return mixNumber(mixNumber(stamped, state.version), state.lease);
}

/** Takes all 53 bits of `value` in. */
function mixNumber(hash: number, value: number): number {
  return mix(mix(hash, value), value / 0x1_0000_0000);
}

/** One step over a 32-bit word: different hashes stay different, and different words make different hashes. */
function mix(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}

function hex(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, "0");
}
