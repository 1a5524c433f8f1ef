/**
 * The values of all versions, many of them in one buffer, which is used again once nothing in it is needed. A buffer of
 * its own for each value would be new memory with every put, which the system has to clear, and one object more.
 */
import { assert } from "../lib/assert.ts";

/** Who has a value. Where it is kept changes in {@link ValueSlabs.tidy}; what it is does not while it is needed. */
export interface Tenant {
  /** Bytes of the value. */
  length: number;
  slab: Slab;
  offset: number;
  /** Whether it was handed back. */
  released: boolean;
}

/** The size of a slab; those of a store that holds little are smaller. Bytes. */
const slabBytes = 64 * 1024;
const slabBytesMin = 4 * 1024;
/** From here on a value has a slab of its own, of its size, which is not used again. Bytes. */
const largeBytesMin = 16 * 1024;
/** Where less of a slab than this is needed, that moves elsewhere: values take at most about four times their bytes. */
const neededShareMin = 1 / 4;
/** How many empty slabs are kept for later: this share of those in use, and some besides. */
const spareShare = 1 / 4;
const spareSlabsMin = 16;

class Slab {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Everybody who was put here, in order; some may be released. */
  tenants: Tenant[] = [];
  used = 0;
  /** How many of the used bytes are not released. */
  needed = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }
}

export type { Slab };

/** For values without bytes. */
export const emptySlab: Slab = new Slab(0);

export class ValueSlabs {
  /** Where the next value goes. */
  private open = emptySlab;
  private readonly spare: Slab[] = [];
  /** How many hold something. */
  private usedSlabs = 0;
  private nextBytes = slabBytesMin;
  /** Of which little or nothing is needed. */
  private readonly sparse = new Set<Slab>();

  /** Memory taken at most, but for large values. Bytes. */
  get heldBytes(): number {
    return (this.usedSlabs + this.spare.length) * slabBytes;
  }

  /** Copies `value` to a place for `tenant`, who has none, or released it. */
  put(tenant: Tenant, value: Uint8Array): void {
    const { length } = value;
    const slab = length === 0 ? emptySlab : length >= largeBytesMin ? new Slab(length) : this.slabWith(length);
    tenant.length = length;
    tenant.slab = slab;
    tenant.offset = slab.used;
    tenant.released = false;
    if (length === 0) return;
    slab.bytes.set(value, slab.used);
    slab.used += length;
    slab.needed += length;
    if (length < largeBytesMin) slab.tenants.push(tenant);
  }

  /** The value of `tenant` is not needed any more. It stays where it is until {@link tidy}. */
  release(tenant: Tenant): void {
    assert(!tenant.released, "a value is released once");
    tenant.released = true;
    const { slab, length } = tenant;
    slab.needed -= length;
    if (length > 0 && length < largeBytesMin && slab.needed < slab.used * neededShareMin) this.sparse.add(slab);
  }

  /** Makes room of what was released. */
  tidy(): void {
    for (const slab of this.sparse) {
      if (slab === this.open) continue;
      this.sparse.delete(slab);
      this.clear(slab);
    }
  }

  private slabWith(length: number): Slab {
    if (this.open.bytes.length - this.open.used >= length) return this.open;
    this.open = this.spare.pop() ?? new Slab(Math.max(length, this.nextBytes));
    this.nextBytes = Math.min(2 * this.nextBytes, slabBytes);
    this.usedSlabs++;
    return this.open;
  }

  private clear(slab: Slab): void {
    for (const tenant of slab.tenants) {
      if (tenant.released || tenant.slab !== slab) continue; // gone, or elsewhere since
      this.put(tenant, slab.bytes.subarray(tenant.offset, tenant.offset + tenant.length));
    }
    slab.tenants = [];
    slab.used = 0;
    slab.needed = 0;
    this.usedSlabs--;
    if (slab.bytes.length === slabBytes && this.spare.length < spareSlabsMin + this.usedSlabs * spareShare)
      this.spare.push(slab);
  }
}
