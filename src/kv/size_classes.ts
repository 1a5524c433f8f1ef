/** Places of a few sizes for values of any, in slabs of places of one size: which are free, and where the next one is. */
import { assert } from "../lib/assert.ts";
import { type Row, noRow } from "./rows.ts";

/** Sizes rise by so much up to eight times that, and then in eight steps to each double: a value wastes at most an eighth of its place. Bytes. */
const smallStep = 16;
/** The largest place; a longer value has a slab of its own. Bytes. */
export const slotBytesMax = 16 * 1024;

/** `log2` of the sizes up to which there is one step. */
const smallBits = 7;
const stepBits = 3;

/** The number of the smallest size that holds `length` bytes, from 1 to {@link slotBytesMax}. */
export function classOf(length: number): number {
  if (length <= 1 << smallBits) return (length + smallStep - 1) >> 4;
  const bits = 31 - Math.clz32(length - 1); // below it by a power of two
  const step = bits - stepBits;
  return ((bits - smallBits) << stepBits) + ((length - 1 - (1 << bits)) >> step) + 1 + (1 << stepBits);
}

/** The size of places of a class. Bytes. */
function slotBytesOf(number: number): number {
  if (number <= 1 << stepBits) return number * smallStep;
  const above = number - 1 - (1 << stepBits);
  const bits = smallBits + (above >> stepBits);
  return (1 << bits) + (((above & 7) + 1) << (bits - stepBits));
}

/** All sizes by their numbers. */
export function newSizeClasses(): readonly SizeClass[] {
  return Array.from({ length: classOf(slotBytesMax) + 1 }, (_, number) => new SizeClass(slotBytesOf(number)));
}

/** Memory cut into places of one size. */
export class Slab {
  readonly slots: number;
  /** Where it stands among the slabs with free places; -1: not there. */
  listedAt = -1;
  private readonly owners: Int32Array;
  /** Places that were left, the last one first. */
  private readonly left: Int16Array;
  private leftCount = 0;
  /** The first place that was never taken. */
  private fresh = 0;

  constructor(
    readonly number: number,
    readonly slotBytes: number,
    readonly bytes: Uint8Array<ArrayBuffer>,
  ) {
    this.slots = slotBytes === 0 ? 0 : Math.floor(bytes.length / slotBytes);
    this.owners = new Int32Array(this.slots);
    this.left = new Int16Array(this.slots);
  }

  get used(): number {
    return this.fresh - this.leftCount;
  }

  get hasRoom(): boolean {
    return this.leftCount > 0 || this.fresh < this.slots;
  }

  /** Whose place it is; none: it is free. */
  owner(slot: number): Row {
    return this.owners[slot] ?? noRow;
  }

  /** Gives a free place to `row`, and returns its number. */
  take(row: Row): number {
    assert(this.hasRoom, "who takes a place finds one");
    const slot = this.leftCount > 0 ? (this.left[--this.leftCount] ?? 0) : this.fresh++;
    this.owners[slot] = row;
    return slot;
  }

  leave(slot: number): void {
    assert(this.owner(slot) !== noRow, "a place is left once");
    this.owners[slot] = noRow;
    this.left[this.leftCount++] = slot;
  }
}

/** How many slabs are looked at to find one with few values. */
const samples = 8;

export class SizeClass {
  /** Where the next value goes. */
  open: Slab | null = null;
  /** Places in all slabs, and how many of them are taken. */
  places = 0;
  used = 0;
  /** The other slabs with free places. */
  private readonly partial: Slab[] = [];
  private cursor = 0;
  private slabBytes = 0;

  constructor(readonly slotBytes: number) {}

  /** How large the next slab should be: the double of the last one, within limits. Bytes. */
  nextBytes(min: number, max: number): number {
    this.slabBytes = Math.min(max, Math.max(min, 2 * this.slabBytes));
    return this.slabBytes;
  }

  addPartial(slab: Slab): void {
    if (slab.listedAt >= 0) return;
    slab.listedAt = this.partial.length;
    this.partial.push(slab);
  }

  removePartial(slab: Slab): void {
    const { listedAt } = slab;
    if (listedAt < 0) return;
    const last = this.partial.pop();
    assert(last !== undefined, "a slab that is listed is there");
    slab.listedAt = -1;
    if (last === slab) return;
    this.partial[listedAt] = last;
    last.listedAt = listedAt;
  }

  /** Of some slabs with free places the emptiest, which is not listed any more. Each time others are looked at. */
  popSparse(): Slab | null {
    let sparse: Slab | null = null;
    for (let i = 0; i < Math.min(samples, this.partial.length); i++) {
      this.cursor = (this.cursor + 1) % this.partial.length;
      const slab = this.partial[this.cursor] ?? null;
      if (slab !== null && (sparse === null || slab.used < sparse.used)) sparse = slab;
    }
    if (sparse !== null) this.removePartial(sparse);
    return sparse;
  }
}
