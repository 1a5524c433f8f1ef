/** The leases of the plain store: which there are, since when by the clock of the world, and when they may end. */
import type { Millis } from "../raft/mod.ts";
import type { LeaseAnswer } from "./lease_commands.ts";
import { driftMax } from "./plan.ts";
import { check } from "./violation.ts";

interface Lease {
  readonly id: number;
  readonly ttlMs: number;
  /** Ends with its last key. */
  readonly bound: boolean;
  /** The number of its grant or latest renewal. */
  renewal: number;
  /** When the first node heard of that: no client counts from later. */
  begunAt: Millis;
}

export class ReferenceLeases {
  private readonly byId = new Map<number, Lease>();
  /** How many grants and renewals there were. */
  private counted = 0;
  /** The time of the entry that is being applied. */
  now: Millis = 0;

  /** `clocksLeap`: clocks do not keep to any bound, so that nobody can tell when a lease may end. */
  constructor(private readonly clocksLeap: boolean) {}

  get size(): number {
    return this.byId.size;
  }

  has(id: number): boolean {
    return this.byId.has(id);
  }

  /** Null: there is one with this id. */
  grant(id: number, ttlMs: number, bound: boolean): (LeaseAnswer & { readonly kind: "granted" }) | null {
    if (this.byId.has(id)) return null;
    do this.counted++;
    while (id === 0 && this.byId.has(this.counted));
    const lease = { id: id === 0 ? this.counted : id, ttlMs, bound, renewal: this.counted, begunAt: this.now };
    this.byId.set(lease.id, lease);
    return { kind: "granted", id: lease.id, ttlMs };
  }

  renew(id: number): LeaseAnswer {
    const lease = this.byId.get(id);
    if (lease === undefined) return { kind: "missing", id };
    lease.renewal = ++this.counted;
    lease.begunAt = this.now;
    return { kind: "granted", id, ttlMs: lease.ttlMs };
  }

  /** Whether a leader that says so ends a lease: not if it was renewed since, and never before its time. */
  expires({ id, renewal }: { readonly id: number; readonly renewal: number }): boolean {
    const lease = this.byId.get(id);
    if (lease?.renewal !== renewal) return false;
    const lasted = this.now - lease.begunAt;
    check(
      this.clocksLeap || lasted >= lease.ttlMs / (1 + driftMax) - 0.001,
      "lease",
      () => `lease ${id} of ${lease.ttlMs} ms ended after ${lasted} ms`,
    );
    return true;
  }

  end(id: number): void {
    this.byId.delete(id);
  }

  /** Ends bound leases on which no key hangs. */
  endDeserted(hasKeys: (id: number) => boolean): void {
    for (const { id, bound } of [...this.byId.values()]) if (bound && !hasKeys(id)) this.byId.delete(id);
  }
}
