/**
 * The versions of keys as rows of numbers, 64 bytes each, many in one block. As objects they would take more than twice
 * as much, and the collector would look at each of them again and again. Knows what a row says, and not what it means.
 */
import { assert } from "../lib/assert.ts";

/** The number of a row. A row that was freed becomes another. */
export type Row = number;

/** The number of a key: see {@link KeyTable}. */
export type KeyNumber = number;

/** No key; in the place of that of a row that was freed. */
export const noKey: KeyNumber = 0;

/** No row: reads as if everything were 0. */
export const noRow: Row = 0;

/** All that a row says. */
export interface RowData {
  key: KeyNumber;
  /** The version before; none: there was none, or no revision that can still be read shows it. */
  previous: Row;
  /** The revision that created the key; 0: a tombstone. */
  createRevision: number;
  modRevision: number;
  /** Which version of its key it is; 0: a tombstone. */
  version: number;
  /** The lease that it hangs on; 0: none. */
  lease: number;
  /** The two halves of its hash, as integers with a sign. */
  hashHigh: number;
  hashLow: number;
  /** Where its value lies: see {@link ValueSlabs}. */
  slab: number;
  offset: number;
  /** Bytes of the value. */
  length: number;
}

/** Rows of a block, as a power of two: 64 KiB. */
const blockBits = 10;
const blockRows = 1 << blockBits;
const rowMask = blockRows - 1;

/** A row is eight numbers of eight bytes, or sixteen of four: four of the first kind, and then the others. */
const floatBits = 3;
const createRevisionAt = 0;
const modRevisionAt = 1;
const versionAt = 2;
const leaseAt = 3;

const wordBits = 4;
const hashHighAt = 8;
const hashLowAt = 9;
const previousAt = 10;
const keyAt = 11;
const slabAt = 12;
const offsetAt = 13;
const lengthAt = 14;

/** The same memory twice. */
class Block {
  readonly floats: Float64Array;
  readonly words: Int32Array;

  constructor() {
    const memory = new ArrayBuffer(blockRows << (floatBits + 3));
    this.floats = new Float64Array(memory);
    this.words = new Int32Array(memory);
  }
}

export class Rows {
  private readonly blocks = [new Block()];
  /** The first row that was never taken. */
  private fresh: Row = noRow + 1;
  /** Rows that were freed. Not a chain through the rows themselves: each would be waited for. */
  private readonly freed: Row[] = [];

  /** Rows that were taken and not freed. */
  get taken(): number {
    return this.fresh - 1 - this.freed.length;
  }

  /** A row for {@link write}; until then it says nothing. */
  take(): Row {
    const freed = this.freed.pop();
    if (freed !== undefined) return freed;
    const row = this.fresh++;
    if (row >>> blockBits === this.blocks.length) this.blocks.push(new Block());
    return row;
  }

  /** Nobody needs `row` any more. */
  free(row: Row): void {
    const { words } = this.blockOf(row);
    const start = (row & rowMask) << wordBits;
    assert(row !== noRow && words[start + keyAt] !== noKey, "a row is freed once");
    words[start + keyAt] = noKey;
    this.freed.push(row);
  }

  write(row: Row, data: Readonly<RowData>): void {
    const { floats, words } = this.blockOf(row);
    assert(row !== noRow && data.key !== noKey, "a row is of a key");
    const first = (row & rowMask) << floatBits;
    floats[first + createRevisionAt] = data.createRevision;
    floats[first + modRevisionAt] = data.modRevision;
    floats[first + versionAt] = data.version;
    floats[first + leaseAt] = data.lease;
    const start = (row & rowMask) << wordBits;
    words[start + hashHighAt] = data.hashHigh;
    words[start + hashLowAt] = data.hashLow;
    words[start + previousAt] = data.previous;
    words[start + keyAt] = data.key;
    words[start + slabAt] = data.slab;
    words[start + offsetAt] = data.offset;
    words[start + lengthAt] = data.length;
  }

  /** Fills in all of `data`. */
  read(row: Row, data: RowData): void {
    const { floats, words } = this.blockOf(row);
    const first = (row & rowMask) << floatBits;
    data.createRevision = floats[first + createRevisionAt] ?? 0;
    data.modRevision = floats[first + modRevisionAt] ?? 0;
    data.version = floats[first + versionAt] ?? 0;
    data.lease = floats[first + leaseAt] ?? 0;
    const start = (row & rowMask) << wordBits;
    data.hashHigh = words[start + hashHighAt] ?? 0;
    data.hashLow = words[start + hashLowAt] ?? 0;
    data.previous = words[start + previousAt] ?? noRow;
    data.key = words[start + keyAt] ?? noKey;
    data.slab = words[start + slabAt] ?? 0;
    data.offset = words[start + offsetAt] ?? 0;
    data.length = words[start + lengthAt] ?? 0;
  }

  key(row: Row): KeyNumber {
    return this.word(row, keyAt);
  }

  previous(row: Row): Row {
    return this.word(row, previousAt);
  }

  slab(row: Row): number {
    return this.word(row, slabAt);
  }

  offset(row: Row): number {
    return this.word(row, offsetAt);
  }

  length(row: Row): number {
    return this.word(row, lengthAt);
  }

  createRevision(row: Row): number {
    return this.float(row, createRevisionAt);
  }

  modRevision(row: Row): number {
    return this.float(row, modRevisionAt);
  }

  version(row: Row): number {
    return this.float(row, versionAt);
  }

  lease(row: Row): number {
    return this.float(row, leaseAt);
  }

  setPrevious(row: Row, previous: Row): void {
    this.setWord(row, previousAt, previous);
  }

  /** The value of `row` lies elsewhere now. */
  setPlace(row: Row, { slab, offset }: Pick<RowData, "slab" | "offset">): void {
    this.setWord(row, slabAt, slab);
    this.setWord(row, offsetAt, offset);
  }

  private blockOf(row: Row): Block {
    const block = this.blocks[row >>> blockBits];
    assert(block !== undefined, "a row is there");
    return block;
  }

  private float(row: Row, at: number): number {
    return this.blockOf(row).floats[((row & rowMask) << floatBits) + at] ?? 0;
  }

  private word(row: Row, at: number): number {
    return this.blockOf(row).words[((row & rowMask) << wordBits) + at] ?? 0;
  }

  private setWord(row: Row, at: number, value: number): void {
    assert(row !== noRow, "no row says nothing");
    this.blockOf(row).words[((row & rowMask) << wordBits) + at] = value;
  }
}
