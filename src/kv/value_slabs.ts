/**
 * The values of all versions, many of one size in one buffer, where each takes a place that another left. A buffer of
 * its own for each value would be new memory with every put, which the system has to clear, and one object more.
 */
import { assert } from "../lib/assert.ts";
import { type Row, type RowData, type Rows, noRow } from "./rows.ts";
import { type SizeClass, Slab, classOf, newSizeClasses, slotBytesMax } from "./size_classes.ts";

/** The size of a slab; the first ones of a size are smaller. Bytes. */
const slabBytes = 64 * 1024;
const slabBytesMin = 4 * 1024;
/** How many empty slabs are kept for those who need one next: 1 MiB. */
const spareSlabsMax = 16;
/**
 * Which share of the places of a size may be free before they are taken one by one: before, an empty slab is, where the next
 * values lie side by side. A value that is copied to a place of its own waits for memory, and takes a put a fifth of its time longer.
 */
const freeShareMax = 1 / 3;
/** The same once so many bytes are free in all: then memory counts for more. */
const ampleFreeBytes = 16 * 1024 * 1024;
const scarceShareMax = 1 / 16;
/** How much more may be free than taken of a size before slabs are emptied. Bytes. */
const freeBytesMax = 1024 * 1024;
/** How many slabs are emptied at a time at most, so that nobody waits for it: 4 MiB. */
const emptiedSlabsMax = 64;

/** How much of a value is worth looking at ahead: the processor fetches the rest of a longer one by itself. */
const lookedAtBytesMax = 512;
/** What the processor fetches at a time. */
const cacheLineBytes = 64;

/** Where a value lies. */
export type ValuePlace = Pick<RowData, "slab" | "offset" | "length">;

export class ValueSlabs {
  private readonly classes = newSizeClasses();
  /** For values without bytes. */
  private readonly empty = new Slab(0, 0, new Uint8Array(0));
  /** By their numbers; {@link empty} stands where a number is free. */
  private readonly slabs: Slab[] = [this.empty];
  private readonly freeNumbers: number[] = [];
  private readonly spare: Uint8Array<ArrayBuffer>[] = [];
  /** Memory of all slabs and spare ones. */
  private held = 0;

  /** `rows` is told when values have moved. */
  constructor(private readonly rows: Rows) {}

  /** Memory taken. Bytes. */
  get heldBytes(): number {
    return this.held;
  }

  /** Memory of places that are free, in slabs with values. Bytes. */
  get freeBytes(): number {
    let free = 0;
    for (const { places, used, slotBytes } of this.classes) free += (places - used) * slotBytes;
    return free;
  }

  /** A slab; what lies there is good until something is put or made room for. */
  slab(number: number): { readonly bytes: Uint8Array } {
    return this.slabs[number] ?? this.empty;
  }

  /** Looks at the first bytes of a value. What it returns means nothing. */
  lookAt(number: number, offset: number, length: number): number {
    const { bytes } = this.slab(number);
    const end = offset + Math.min(length, lookedAtBytesMax);
    let seen = 0;
    for (let at = offset; at < end; at += cacheLineBytes) seen |= bytes[at] ?? 0;
    return seen;
  }

  /** Copies `value`, of `row`, and fills in where it lies. */
  put(row: Row, value: Uint8Array, place: ValuePlace): void {
    const { length } = value;
    place.length = length;
    place.offset = 0;
    if (length === 0) place.slab = this.empty.number;
    else if (length > slotBytesMax) this.putLarge(value, place);
    else {
      const size = this.classes[classOf(length)];
      assert(size !== undefined, "every length has a class");
      const slab = this.slabWithRoom(size);
      place.slab = slab.number;
      place.offset = slab.take(row) * size.slotBytes;
      size.used++;
      slab.bytes.set(value, place.offset);
    }
  }

  /** The value that lies there is not needed any more: another may take its place. */
  release({ slab: number, offset, length }: Readonly<ValuePlace>): void {
    const slab = this.slabs[number];
    assert(slab !== undefined && (length === 0 || slab !== this.empty), "a value is released once");
    if (length > slotBytesMax) this.giveBack(slab);
    else if (length > 0) this.leave(slab, offset);
  }

  /** Moves values together where most of the room is empty. */
  tidy(): void {
    let left = emptiedSlabsMax;
    for (const size of this.classes) {
      const placesMax = freeBytesMax / size.slotBytes;
      while (left > 0 && size.places - 2 * size.used > placesMax && this.emptyOne(size)) left--;
    }
  }

  private putLarge(value: Uint8Array, place: ValuePlace): void {
    const slab = this.newSlab(value.length, new Uint8Array(value.length));
    slab.bytes.set(value);
    place.slab = slab.number;
  }

  /** The slab into which the next value of `size` goes. */
  private slabWithRoom(size: SizeClass): Slab {
    if (size.open?.hasRoom === true) return size.open;
    const shareMax = this.freeBytes <= ampleFreeBytes ? freeShareMax : scarceShareMax;
    const isFull = size.places - size.used <= size.places * shareMax;
    size.open = (isFull ? null : size.popSparse()) ?? this.openSlab(size);
    return size.open;
  }

  private openSlab(size: SizeClass): Slab {
    const { slotBytes } = size;
    const bytes = Math.max(slotBytes, size.nextBytes(slabBytesMin, slabBytes));
    const spare = bytes === slabBytes ? this.spare.pop() : undefined;
    if (spare !== undefined) this.held -= slabBytes; // counted anew
    const slab = this.newSlab(slotBytes, spare ?? new Uint8Array(bytes));
    size.places += slab.slots;
    return slab;
  }

  private newSlab(slotBytes: number, memory: Uint8Array<ArrayBuffer>): Slab {
    const slab = new Slab(this.freeNumbers.pop() ?? this.slabs.length, slotBytes, memory);
    this.slabs[slab.number] = slab;
    this.held += memory.length;
    return slab;
  }

  /** Frees the place at `offset`, and its slab where it was the last one. */
  private leave(slab: Slab, offset: number): void {
    const size = this.classes[classOf(slab.slotBytes)];
    assert(size !== undefined, "every slab of places has a class");
    slab.leave((offset / slab.slotBytes) | 0);
    size.used--;
    if (slab === size.open) return;
    if (slab.used > 0) size.addPartial(slab);
    else this.close(size, slab);
  }

  private close(size: SizeClass, slab: Slab): void {
    size.removePartial(slab);
    size.places -= slab.slots;
    this.giveBack(slab);
    if (slab.bytes.length !== slabBytes || this.spare.length >= spareSlabsMax) return;
    this.spare.push(slab.bytes);
    this.held += slabBytes;
  }

  private giveBack(slab: Slab): void {
    this.slabs[slab.number] = this.empty;
    this.freeNumbers.push(slab.number);
    this.held -= slab.bytes.length;
  }

  /** Moves the values of the slab with the fewest of some; false if there is none. */
  private emptyOne(size: SizeClass): boolean {
    const slab = size.popSparse();
    if (slab === null) return false;
    for (let slot = 0; slot < slab.slots; slot++) {
      const row = slab.owner(slot);
      if (row === noRow) continue;
      const target = this.slabWithRoom(size);
      const offset = target.take(row) * size.slotBytes;
      target.bytes.set(slab.bytes.subarray(slot * size.slotBytes, (slot + 1) * size.slotBytes), offset);
      this.rows.setPlace(row, { slab: target.number, offset });
    }
    this.close(size, slab);
    return true;
  }
}
