/**
 * The bytes of commands about leases, and of their results. A lease is a time that keys hang on: when it is over, they are
 * gone. How the time passes is the leader's affair; here, as in all the log, there is no clock.
 *
 *     body of "lease"      u8 operation, then
 *     1 grant              u53 id (0: the store chooses), u53 ttlMs
 *     2 renew              u53 id
 *     3 revoke             u53 id
 *     4 expire             u53 id, u53 renewal       by the leader alone
 *     5 checkpoint         u53 id, u53 renewal, u53 remainingMs, again and again to the end       by the leader alone
 *     body of the result   of a grant, a renewal, and a put with a time to live: u53 id, u53 ttlMs
 *                          where a lease is missing: u53 id
 */
import { unreachable } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import { writeBodyCommand } from "./command_codec.ts";
import { type Refused, refuse, refused } from "./limits.ts";
import type { CommandResult } from "./result_codec.ts";

/** What a leader decided about a lease, and from which of its renewals it counted: after another one it is void. */
export interface LeaseMoment {
  readonly id: number;
  /** The number of its grant or latest renewal. */
  readonly renewal: number;
}

/** How much time was left to a lease. */
export interface LeaseCheckpoint extends LeaseMoment {
  readonly remainingMs: number;
}

export type LeaseCommand =
  /** Id 0: one that was never chosen before. */
  | { readonly kind: "grant"; readonly id: number; readonly ttlMs: number }
  /** Its time begins anew. */
  | { readonly kind: "renew"; readonly id: number }
  /** Ends it, and deletes its keys in one revision. */
  | { readonly kind: "revoke"; readonly id: number }
  /** The same, if it was not renewed since. */
  | ({ readonly kind: "expire" } & LeaseMoment)
  /** Whoever leads next counts from here. */
  | { readonly kind: "checkpoint"; readonly leases: readonly LeaseCheckpoint[] };

/** A lease as a grant or a renewal made it. */
export interface GrantedLease {
  readonly id: number;
  readonly ttlMs: number;
}

/** How long a lease may last. Less than a second is lost in an election; more than ten years is no lease. Milliseconds. */
export const leaseTtlMsMin = 1000;
export const leaseTtlMsMax = 10 * 365 * 24 * 3600 * 1000;

/** How many leases there may be: with what each node counts, about 500 MB. Every node must agree, for it decides which grants take effect. */
export const leasesMax = 1_000_000;

const operations = { grant: 1, renew: 2, revoke: 3, expire: 4, checkpoint: 5 } as const;

/** Throws a {@link ProaError} when the id or the time is out of bounds. */
export function writeLease(writer: ByteWriter, command: LeaseCommand): void {
  refuse(leaseCommandProblem(command));
  const body = new ByteWriter(32);
  body.u8(operations[command.kind]);
  switch (command.kind) {
    case "grant":
      body.u53(command.id);
      body.u53(command.ttlMs);
      break;
    case "renew":
    case "revoke":
      body.u53(command.id);
      break;
    case "expire":
      writeMoment(body, command);
      break;
    case "checkpoint":
      for (const lease of command.leases) {
        writeMoment(body, lease);
        body.u53(lease.remainingMs);
      }
      break;
    default:
      unreachable(command);
  }
  writeBodyCommand(writer, "lease", body.peek());
}

function writeMoment(writer: ByteWriter, { id, renewal }: LeaseMoment): void {
  writer.u53(id);
  writer.u53(renewal);
}

/** Throws {@link CorruptError}. Bounds are not checked. */
export function decodeLease(body: Uint8Array): LeaseCommand {
  const reader = new ByteReader(body);
  const command = readCommand(reader);
  if (reader.remaining > 0) throw new CorruptError("bytes behind the end");
  return command;
}

function readCommand(reader: ByteReader): LeaseCommand {
  const operation = reader.u8();
  switch (operation) {
    case operations.grant:
      return { kind: "grant", id: reader.u53(), ttlMs: reader.u53() };
    case operations.renew:
      return { kind: "renew", id: reader.u53() };
    case operations.revoke:
      return { kind: "revoke", id: reader.u53() };
    case operations.expire:
      return { kind: "expire", ...readMoment(reader) };
    case operations.checkpoint: {
      const leases: LeaseCheckpoint[] = [];
      while (reader.remaining > 0) leases.push({ ...readMoment(reader), remainingMs: reader.u53() });
      return { kind: "checkpoint", leases };
    }
    default:
      throw new CorruptError(`operation ${operation} on a lease, which is not known`);
  }
}

function readMoment(reader: ByteReader): LeaseMoment {
  return { id: reader.u53(), renewal: reader.u53() };
}

/** What is wrong with a command about a lease; null if nothing. */
function leaseCommandProblem(command: LeaseCommand): Refused | null {
  return command.kind === "grant" ? ttlProblem("grant a lease", command.ttlMs) : null;
}

/** The same where a client sends it: what the leader alone decides is refused. */
export function leaseProblem(command: LeaseCommand): Refused | null {
  if (command.kind !== "expire" && command.kind !== "checkpoint") return leaseCommandProblem(command);
  return refused("INVALID_REQUEST", `Cannot ${command.kind} a lease: the leader does it, by its clock`);
}

/** What is wrong with a time to live; null if nothing. */
export function ttlProblem(action: string, ttlMs: number): Refused | null {
  if (Number.isSafeInteger(ttlMs) && ttlMs >= leaseTtlMsMin && ttlMs <= leaseTtlMsMax) return null;
  const bounds = "from 1 second to 10 years (315360000 seconds)";
  return refused("INVALID_REQUEST", `Cannot ${action}: the time to live is ${ttlMs} ms, not a whole number ${bounds}`);
}

/** The body of the result of a grant or renewal. */
export function grantedBody({ id, ttlMs }: GrantedLease): Uint8Array {
  const writer = new ByteWriter(16);
  writer.u53(id);
  writer.u53(ttlMs);
  return writer.peek();
}

/** The inverse of {@link grantedBody}. Throws {@link CorruptError}. */
export function readGranted({ body }: CommandResult): GrantedLease {
  const reader = new ByteReader(body ?? new Uint8Array(0));
  const granted = { id: reader.u53(), ttlMs: reader.u53() };
  if (reader.remaining > 0) throw new CorruptError("bytes behind the end");
  return granted;
}

/** The body of a result that says which lease is missing. */
export function missingBody(id: number): Uint8Array {
  const writer = new ByteWriter(8);
  writer.u53(id);
  return writer.peek();
}

/** The error for a result that leases are to blame for, which changed nothing; null for any other. Throws {@link CorruptError}. */
export function leaseError(action: string, { status, body }: CommandResult): ProaError | null {
  switch (status) {
    case "leaseNotFound": {
      const id = new ByteReader(body ?? new Uint8Array(0)).u53();
      return leaseNotFound(action, id);
    }
    case "leaseExists":
      return new ProaError("LEASE_EXISTS", `Cannot ${action}: a lease with this id exists`, {
        hint: "leave the id out, and the store chooses one that was never given before",
      });
    case "tooManyLeases":
      return new ProaError("TOO_MANY_LEASES", `Cannot ${action}: there are ${leasesMax} leases, the limit`, {
        hint: "let many keys share one lease; proa lease ls lists them",
      });
    default:
      return null;
  }
}

export function leaseNotFound(action: string, id: number): ProaError {
  return new ProaError("LEASE_NOT_FOUND", `Cannot ${action}: there is no lease ${id}`, {
    hint: "it expired, was revoked, or never was: proa lease grant makes a new one",
  });
}
