/**
 * The leases with the keys that hang on them. Knows how much time was left to each when that was last written to the log,
 * and no clock: each node counts from there (node/lease_keeper.ts), and the leader says in the log when a time is over.
 */
import { assert } from "../lib/assert.ts";
import { type LeaseCheckpoint, type LeaseMoment, leasesMax } from "../wire/mod.ts";
import { LeaseKeys } from "./lease_keys.ts";
import { StateHash, hashOfNumbers } from "./state_hash.ts";

/** What a node must know of a lease to count its time. */
export interface LeaseTime extends LeaseMoment {
  readonly ttlMs: number;
  /** What was left of it at the latest renewal or checkpoint. Milliseconds. */
  readonly remainingMs: number;
}

/** All that an image says of a lease; its keys know themselves what they hang on. */
export interface LeaseState extends LeaseTime {
  /** The number of its grant. */
  readonly granted: number;
  /** Whether it was granted by a put, for its key alone: it ends with the last key that leaves it. */
  readonly bound: boolean;
}

/** Never changed but for its keys: what changes is another lease in its place. */
export interface Lease extends LeaseState {
  readonly keys: LeaseKeys;
}

/** Told of what happens to leases, while entries are applied. */
export interface LeaseListener {
  /** The whole time of the lease begins now: it was granted or renewed. */
  onBegun(lease: LeaseTime): void;
  /** Less of its time is left than the log said before. */
  onCheckpoint(lease: LeaseTime): void;
  onEnded(id: number): void;
  /** All leases are those of an image now. */
  onReplaced(): void;
}

export type Grant = Lease | "leaseExists" | "tooManyLeases";

export class Leases {
  listener: LeaseListener | null = null;
  /** In the order of their grants. */
  private readonly byId = new Map<number, Lease>();
  private readonly hash = new StateHash();
  /** How many grants and renewals there were, each of which has a number. */
  private counted = 0;
  /** Bound leases that lost their last key in the command that is under way. */
  private readonly deserted: number[] = [];
  /** The keys of leases that an image has not shown yet. */
  private readonly unclaimed = new Map<number, LeaseKeys>();

  /** `max`: how many leases there may be. */
  constructor(private readonly max = leasesMax) {}

  get size(): number {
    return this.byId.size;
  }

  get count(): number {
    return this.counted;
  }

  get(id: number): Lease | null {
    return this.byId.get(id) ?? null;
  }

  all(): Iterable<Lease> {
    return this.byId.values();
  }

  /** Grants a lease; id 0 stands for one that the store never chose before, and that nobody has. */
  grant(wanted: { readonly id: number; readonly ttlMs: number; readonly bound: boolean }): Grant {
    const { ttlMs, bound } = wanted;
    if (this.byId.has(wanted.id)) return "leaseExists";
    if (this.byId.size >= this.max) return "tooManyLeases";
    let number = ++this.counted;
    while (wanted.id === 0 && this.byId.has(number)) number = ++this.counted;
    const id = wanted.id === 0 ? number : wanted.id;
    const keys = new LeaseKeys();
    const lease = { id, ttlMs, remainingMs: ttlMs, renewal: number, granted: number, bound, keys };
    this.add(lease);
    this.listener?.onBegun(lease);
    return lease;
  }

  /** Begins its time anew; null where there is no such lease. */
  renew(id: number): Lease | null {
    const lease = this.byId.get(id);
    if (lease === undefined) return null;
    const renewed = { ...lease, renewal: ++this.counted, remainingMs: lease.ttlMs };
    this.replace(lease, renewed);
    this.listener?.onBegun(renewed);
    return renewed;
  }

  /** Takes in what is left to a lease, unless it was renewed since. A checkpoint never gives time. */
  checkpoint({ id, renewal, remainingMs }: LeaseCheckpoint): void {
    const lease = this.byId.get(id);
    if (lease?.renewal !== renewal || remainingMs >= lease.remainingMs) return;
    const nearer = { ...lease, remainingMs };
    this.replace(lease, nearer);
    this.listener?.onCheckpoint(nearer);
  }

  /** The lease, if it was not renewed since that moment. */
  at({ id, renewal }: LeaseMoment): Lease | null {
    const lease = this.get(id);
    return lease?.renewal === renewal ? lease : null;
  }

  /** Ends a lease, whose keys are already gone. */
  end(id: number): void {
    const lease = this.byId.get(id);
    assert(lease !== undefined && lease.keys.size === 0, "a lease outlives its keys");
    this.byId.delete(id);
    this.hash.subtract(hashOf(lease));
    this.listener?.onEnded(id);
  }

  /** Hangs `key` on a lease that exists. */
  attach(id: number, key: string): void {
    const lease = this.byId.get(id);
    assert(lease !== undefined, "a key hangs on a lease that exists");
    lease.keys.add(key);
  }

  /** Takes `key` from its lease. */
  detach(id: number, key: string): void {
    const lease = this.byId.get(id);
    assert(lease !== undefined, "a key hangs on a lease that exists");
    lease.keys.delete(key);
    if (lease.bound && lease.keys.size === 0) this.deserted.push(id);
  }

  /** To be called at the end of each command: ends the bound leases without a key. Not before, because the command may put one. */
  endDeserted(): void {
    for (let id = this.deserted.pop(); id !== undefined; id = this.deserted.pop()) {
      if (this.byId.get(id)?.keys.size === 0) this.end(id);
    }
  }

  /** At most `limit` leases in the order of their grants, those after grant number `after`, and whether there are more. */
  page(after: number, limit: number): { readonly leases: readonly Lease[]; readonly more: boolean } {
    const leases: Lease[] = [];
    for (const lease of this.byId.values()) {
      if (lease.granted <= after) continue;
      if (leases.length === limit) return { leases, more: true };
      leases.push(lease);
    }
    return { leases, more: false };
  }

  /** All leases as an image has them, whatever changes later: references, which are copied. */
  items(): readonly LeaseState[] {
    return [...this.byId.values()];
  }

  /** Takes in a key of an image, whose lease comes later. */
  restoreKey(id: number, key: string): void {
    let keys = this.unclaimed.get(id);
    if (keys === undefined) this.unclaimed.set(id, (keys = new LeaseKeys()));
    keys.add(key);
  }

  /** Takes in a lease of an image, after its keys. Returns false where no store can have it. */
  restore(state: LeaseState): boolean {
    const { id, ttlMs, remainingMs, renewal, granted, bound } = state;
    const keys = this.unclaimed.get(id) ?? new LeaseKeys();
    const isPossible = id > 0 && !this.byId.has(id) && granted <= renewal && remainingMs <= ttlMs;
    if (!isPossible || (bound && keys.size === 0)) return false;
    this.unclaimed.delete(id);
    this.add({ id, ttlMs, remainingMs, renewal, granted, bound, keys });
    return true;
  }

  /** Ends the restoration. Returns whether every key has its lease. */
  restoreCount(count: number): boolean {
    this.counted = count;
    return this.unclaimed.size === 0;
  }

  /** Everything that decides what will be answered and deleted, as numbers for a hash: none as long as nobody has had a lease. */
  hashNumbers(): readonly number[] {
    return this.counted === 0 ? [] : [...this.hash.numbers(), this.counted];
  }

  /** What {@link hashNumbers} must be, computed anew: slow, to check it. */
  recomputeHashNumbers(): readonly number[] {
    const hash = new StateHash();
    for (const lease of this.byId.values()) hash.add(hashOf(lease));
    return this.counted === 0 ? [] : [...hash.numbers(), this.counted];
  }

  private add(lease: Lease): void {
    this.byId.set(lease.id, lease);
    this.hash.add(hashOf(lease));
  }

  /** Keeps its place in the order of grants. */
  private replace(before: Lease, after: Lease): void {
    this.hash.subtract(hashOf(before));
    this.add(after);
  }
}

function hashOf({ id, ttlMs, remainingMs, renewal, granted, bound }: Lease): ReturnType<typeof hashOfNumbers> {
  return hashOfNumbers([id, ttlMs, remainingMs, renewal, granted, bound ? 1 : 0]);
}
