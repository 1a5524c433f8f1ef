/** What the verbs of `proa lease` do that ask once, and end. */
import { clientOf } from "../client.ts";
import type { Context } from "../context.ts";
import { escapeBytes } from "../escape.ts";
import { jsonLine, out } from "../output.ts";
import { table } from "../table.ts";
import { bytesOfJson, percentEncode } from "../../src/client/key_text.ts";
import { grantLease, listLeases, revokeLease, showLease } from "../../src/client/lease_requests.ts";
import type { LeaseFacts, LeasePage, LeasesPage } from "../../src/client/lease_requests.ts";
import { durationText } from "../../src/lib/duration.ts";

export interface GrantRequest {
  /** Milliseconds. */
  readonly ttl: number;
  readonly id: number | undefined;
  readonly requestId: string | undefined;
}

export async function grant({ ttl, id, requestId }: GrantRequest, context: Context): Promise<void> {
  const granted = await grantLease(clientOf(context), { ttl: `${ttl}ms`, id, requestId });
  context.output.result(granted, () => `${granted.id}\n`);
}

export async function revoke(
  { id, requestId }: { readonly id: number; readonly requestId: string | undefined },
  context: Context,
): Promise<void> {
  const revoked = await revokeLease(clientOf(context), { id, requestId });
  context.output.confirmation(revoked, `ok rev=${revoked.revision} deleted=${revoked.deleted}`);
}

export async function ls({ limit }: { readonly limit: number | undefined }, context: Context): Promise<void> {
  const client = clientOf(context);
  const { mode } = context.output;
  const leases: LeaseFacts[] = [];
  let left = limit ?? Infinity;
  let page: LeasesPage;
  let next: number | null = 0;
  do {
    page = await listLeases(client, { after: next, limit: left === Infinity ? null : Math.min(left, pageMax) });
    if (mode === "jsonl") out(page.leases.map(jsonLine).join(""));
    else leases.push(...page.leases);
    left -= page.leases.length;
    ({ next } = page);
  } while (next !== null && left > 0);
  const { count, revision } = page;
  if (mode === "json") out(jsonLine({ revision, count, leases, more: next !== null }));
  if (mode === "table") out(leasesText(leases));
  if (next !== null) context.output.note(`there are ${count} leases`);
}

/** The most that a node puts into one answer. */
const pageMax = 10_000;

const columns = [
  { title: "LEASE", align: "right" },
  { title: "TTL", align: "right" },
  { title: "LEFT", align: "right" },
  { title: "KEYS", align: "right" },
] as const;

function leasesText(leases: readonly LeaseFacts[]): string {
  if (leases.length === 0) return "";
  return table(
    columns,
    leases.map((lease) => [
      String(lease.id),
      durationText(lease.ttl_ms),
      leftText(lease.remaining_ms),
      String(lease.key_count),
    ]),
  );
}

export async function ttl(
  { id, keys: withKeys }: { readonly id: number; readonly keys: boolean },
  context: Context,
): Promise<void> {
  const client = clientOf(context);
  const keys: Readonly<Record<string, unknown>>[] = [];
  let page: LeasePage;
  let start: Uint8Array | null = new Uint8Array();
  do {
    page = await showLease(client, { id, start: percentEncode(start), limit: withKeys ? null : 1 });
    keys.push(...page.keys);
    start = page.next;
  } while (withKeys && start !== null);
  const { lease, revision } = page;
  context.output.result({ ...lease, revision, ...(withKeys && { keys }) }, () => {
    const times = `ttl=${durationText(lease.ttl_ms)} left=${leftText(lease.remaining_ms)}`;
    const lines = withKeys ? keys.map((key) => `${escapeBytes(bytesOfJson("key", key) ?? new Uint8Array())}\n`) : [];
    return `lease ${lease.id} ${times} keys=${lease.key_count}\n${lines.join("")}`;
  });
}

/** What is left, in seconds, for people. */
function leftText(remainingMs: number): string {
  return `${(remainingMs / 1000).toFixed(1)}s`;
}
