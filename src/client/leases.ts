/** Leases of the client library: times that keys hang on, and their renewal for as long as this program wants them. */
import { ProaError } from "../lib/errors.ts";
import { leasesPageMax } from "../wire/mod.ts";
import type { GrantedLease, LeaseView } from "../wire/mod.ts";
import type { CallOptions, Client, Deleted } from "./client.ts";
import { KeepAlive } from "./keep_alive.ts";
import { bytesOf } from "./key_value.ts";
import type { Bytes } from "./key_value.ts";
import {
  grantOperation,
  leaseQueryOperation,
  leasesQueryOperation,
  renewOperation,
  revokeOperation,
} from "./lease_operations.ts";
import { NotAppliedError } from "./outcomes.ts";
import type { ClientClock } from "./router.ts";
import { Tenure } from "./tenure.ts";

export interface GrantOptions extends CallOptions {
  /** How long the lease lasts unless it is renewed, in milliseconds: from 1000 to ten years. */
  readonly ttlMs: number;
  /** An id of one's own; `LEASE_EXISTS` where a lease has it. Default: one that the store never chose before. */
  readonly id?: number | undefined;
}

/** What the leader knows of a lease. */
export type Lease = Omit<LeaseView, "granted">;

export interface LeasePage {
  readonly lease: Lease;
  /** In the order of their bytes. */
  readonly keys: readonly Uint8Array[];
  /** The start of the page that follows; null on the last one. */
  readonly next: Uint8Array | null;
}

export interface LeasesPage {
  /** How many leases there are. */
  readonly count: number;
  /** In the order of their grants. */
  readonly leases: readonly Lease[];
  /** The `after` of the page that follows; null on the last one. */
  readonly next: number | null;
}

export interface KeepAliveCallOptions extends CallOptions {
  /** Told after each renewal. */
  readonly onRenewed?: ((lease: GrantedLease) => void) | undefined;
}

interface Surroundings {
  readonly client: Client;
  readonly clock: ClientClock;
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
}

/** What {@link Client.lease} offers. */
export class ClientLeases {
  constructor(private readonly around: Surroundings) {}

  /** Grants a lease; put keys on it with the `lease` of {@link Client.put}. */
  async grant({ ttlMs, id, ...options }: GrantOptions): Promise<GrantedLease> {
    return this.around.client.run(grantOperation(ttlMs, id === undefined ? 0 : checkedId(id)), options);
  }

  /** Begins its time anew, once. Rejects with `LEASE_NOT_FOUND` where there is none. */
  async renew(id: number, options: CallOptions = {}): Promise<GrantedLease> {
    return this.around.client.run(renewOperation(checkedId(id)), options);
  }

  /** Ends it, and deletes its keys in one revision. Rejects with `LEASE_NOT_FOUND` where there is none. */
  async revoke(id: number, options: CallOptions = {}): Promise<Deleted> {
    const { revision, changed } = await this.around.client.run(revokeOperation(checkedId(id)), options);
    return { ok: true, revision, deleted: changed };
  }

  /** How much time is left to a lease, and a page of its keys; null where there is none. */
  async timeToLive(
    id: number,
    options: CallOptions & { readonly start?: Bytes | undefined; readonly limit?: number | undefined } = {},
  ): Promise<LeasePage | null> {
    const { start = "", limit = leasesPageMax } = options;
    const query = { id: checkedId(id), start: bytesOf(start), limit: checkedLimit(limit) };
    const { lease, keys, more } = await this.around.client.run(leaseQueryOperation(query), options);
    if (lease === null) return null;
    const last = keys.at(-1);
    return { lease: shown(lease), keys, next: more && last !== undefined ? new Uint8Array([...last, 0]) : null };
  }

  /** A page of all leases. */
  async list(
    options: CallOptions & { readonly after?: number | undefined; readonly limit?: number | undefined } = {},
  ): Promise<LeasesPage> {
    const { after = 0, limit = leasesPageMax } = options;
    const query = { after, limit: checkedLimit(limit) };
    const { count, leases, more } = await this.around.client.run(leasesQueryOperation(query), options);
    return { count, leases: leases.map(shown), next: more ? (leases.at(-1)?.granted ?? null) : null };
  }

  /**
   * Renews a lease now, and from then on by itself, until {@link KeptLease.stop} is called, `signal` is aborted or the client
   * is closed. Rejects with `LEASE_NOT_FOUND` where there is none. `timeoutMs` is for the first renewal.
   */
  async keepAlive(id: number, options: KeepAliveCallOptions = {}): Promise<KeptLease> {
    const { client, clock, closing } = this.around;
    const sentAt = clock.now();
    const granted = await this.renew(id, options);
    const kept = new KeptLease(granted, sentAt, { client, clock, onRenewed: options.onRenewed });
    const ends = options.signal === undefined ? [closing] : [closing, options.signal];
    const end = AbortSignal.any(ends);
    if (end.aborted) kept.stop();
    end.addEventListener("abort", () => {
      kept.stop();
    });
    return kept;
  }
}

/** A lease that is renewed by itself. */
export class KeptLease {
  readonly id: number;
  readonly ttlMs: number;
  private readonly client: Client;
  private readonly loss = new AbortController();
  private readonly keeping: KeepAlive;

  /** Programs call {@link ClientLeases.keepAlive}. */
  constructor(
    granted: GrantedLease,
    sentAt: number,
    ports: {
      readonly client: Client;
      readonly clock: ClientClock;
      readonly onRenewed: ((lease: GrantedLease) => void) | undefined;
    },
  ) {
    const { client, clock, onRenewed } = ports;
    const { id, ttlMs } = granted;
    this.id = id;
    this.ttlMs = ttlMs;
    this.client = client;
    this.keeping = new KeepAlive({
      tenure: new Tenure({ ttlMs, sentAt }),
      timers: clock,
      renew: (timeoutMs) => client.run(renewOperation(id), { timeoutMs }),
      onRenewed: () => onRenewed?.(granted),
      onLost: (reason) => {
        this.loss.abort(new ProaError("LEASE_LOST", `Cannot keep lease ${id}: ${reason}`, { applied: "unknown" }));
      },
    });
    onRenewed?.(granted);
  }

  /** Aborted, with the reason (`LEASE_LOST`), once the lease is over, or nobody has confirmed a renewal for so long that it may soon be. */
  get lost(): AbortSignal {
    return this.loss.signal;
  }

  /** Renews it no more: it ends when its time is over. */
  stop(): void {
    this.keeping.stop();
  }

  /** Renews it no more, and ends it now with its keys; one that is over already is no error. */
  async revoke(options: CallOptions = {}): Promise<void> {
    this.stop();
    try {
      await this.client.run(revokeOperation(this.id), options);
    } catch (error) {
      if (!(error instanceof ProaError && error.code === "LEASE_NOT_FOUND")) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.revoke();
  }
}

function shown({ id, ttlMs, remainingMs, bound, keyCount }: LeaseView): Lease {
  return { id, ttlMs, remainingMs, bound, keyCount };
}

function checkedId(id: number): number {
  if (Number.isSafeInteger(id) && id > 0) return id;
  throw new NotAppliedError("INVALID_REQUEST", `Cannot name a lease: ${id} is not a whole number from 1`);
}

function checkedLimit(limit: number): number {
  if (Number.isSafeInteger(limit) && limit > 0) return Math.min(limit, leasesPageMax);
  throw new NotAppliedError("INVALID_REQUEST", `Cannot list leases: the limit is ${limit}, not a whole number from 1`);
}
