/** How questions about leases are answered, with the time that is left by the clock of the leader. */
import type { ByteWriter } from "../lib/byte_writer.ts";
import {
  type LeaseQuery,
  type LeaseView,
  type LeasesQuery,
  keyBytes,
  keyText,
  rangeAnswerBytesMax,
  writeLeaseAnswer,
  writeLeasesAnswer,
} from "../wire/mod.ts";
import type { KeySpace } from "./key_space.ts";
import type { Lease } from "./leases.ts";

/** Who counts the time of leases. */
export interface LeaseClock {
  /** What is left to a lease that exists; null: nobody here counts. Milliseconds. */
  remainingMs(id: number): number | null;
}

/** Stops before the key that would exceed the limit of the query or of answers, but never before the first. */
export function answerLease(keys: KeySpace, query: LeaseQuery, clock: LeaseClock, answers: ByteWriter): void {
  const lease = keys.leases.get(query.id);
  const shown: Uint8Array[] = [];
  let bytes = 0;
  let more = false;
  lease?.keys.visit(keyText(query.start), (key) => {
    bytes += 2 + key.length;
    more = shown.length === query.limit || (shown.length > 0 && bytes > rangeAnswerBytesMax);
    if (!more) shown.push(keyBytes(key));
    return !more;
  });
  const view = lease === null ? null : viewOf(lease, clock);
  writeLeaseAnswer(answers, { revision: keys.revision, lease: view, keys: shown, more });
}

export function answerLeases(keys: KeySpace, query: LeasesQuery, clock: LeaseClock, answers: ByteWriter): void {
  const { leases, more } = keys.leases.page(query.after, query.limit);
  const views = leases.map((lease) => viewOf(lease, clock));
  writeLeasesAnswer(answers, { revision: keys.revision, count: keys.leases.size, leases: views, more });
}

function viewOf({ id, ttlMs, remainingMs, granted, bound, keys }: Lease, clock: LeaseClock): LeaseView {
  return { id, ttlMs, remainingMs: clock.remainingMs(id) ?? remainingMs, granted, bound, keyCount: keys.size };
}
