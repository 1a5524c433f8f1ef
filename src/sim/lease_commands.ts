/** What clients do with leases of keys, as values and as the bytes that a node takes. */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import {
  type CommandResult,
  decodeLease,
  type GrantedLease,
  readGranted,
  writeBodyCommand,
  writeLease,
} from "../wire/mod.ts";

export type LeaseWish =
  /** Id 0: the store chooses. */
  | { readonly kind: "grant"; readonly id: number; readonly ttlMs: number }
  | { readonly kind: "renew"; readonly id: number }
  | { readonly kind: "revoke"; readonly id: number };

export interface LeaseWishCommand {
  readonly kind: "lease";
  readonly wish: LeaseWish;
}

/** What a node said of the lease that a command is about. */
export type LeaseAnswer =
  ({ readonly kind: "granted" } & GrantedLease) | { readonly kind: "missing"; readonly id: number };

/** Times to live may be shorter than those that users may ask for, so that many end within a run. */
export function writeLeaseWish(writer: ByteWriter, { wish }: LeaseWishCommand): void {
  if (wish.kind !== "grant") {
    writeLease(writer, wish);
    return;
  }
  const body = new ByteWriter(32);
  body.u8(1);
  body.u53(wish.id);
  body.u53(wish.ttlMs);
  writeBodyCommand(writer, "lease", body.peek());
}

/** The inverse of {@link writeLeaseWish}; null for what leaders alone say. */
export function leaseWishOf(body: Uint8Array): LeaseWishCommand | null {
  const wish = decodeLease(body);
  return wish.kind === "expire" || wish.kind === "checkpoint" ? null : { kind: "lease", wish };
}

/** What the result of a put or of a command about a lease says of it; null: nothing. */
export function leaseAnswer(result: CommandResult): LeaseAnswer | null {
  const { status, body } = result;
  if (body === undefined) return null;
  if (status === "leaseNotFound") return { kind: "missing", id: new ByteReader(body).u53() };
  return { kind: "granted", ...readGranted(result) };
}

export function describeLeaseWish({ wish }: LeaseWishCommand): string {
  return `lease ${wish.kind} ${wish.id}${wish.kind === "grant" ? ` for ${wish.ttlMs} ms` : ""}`;
}
