/** The commands about leases of the client library: what each sends, and what its result holds. */
import type { ByteWriter } from "../lib/byte_writer.ts";
import { leaseError, readGranted, readResult, ttlProblem, writeLease } from "../wire/mod.ts";
import type { CommandResult, GrantedLease, LeaseCommand } from "../wire/mod.ts";
import type { Operation } from "./frame.ts";
import { NotAppliedError } from "./outcomes.ts";

const leaseBytes = 64;

/** A new lease that lasts so long unless it is renewed. */
export function grantOperation(ttlMs: number): Operation<GrantedLease> {
  const problem = ttlProblem("grant a lease", ttlMs);
  if (problem !== null) throw new NotAppliedError(problem.code, problem.message);
  return leaseOperation("grant a lease", { kind: "grant", id: 0, ttlMs }, readGranted);
}

/** Its time begins anew. The error is LEASE_NOT_FOUND where there is none. */
export function renewOperation(id: number): Operation<GrantedLease> {
  return leaseOperation(`renew lease ${id}`, { kind: "renew", id }, readGranted);
}

/** Ends it, and deletes its keys in one revision. The error is LEASE_NOT_FOUND where there is none. */
export function revokeOperation(id: number): Operation<CommandResult> {
  return leaseOperation(`revoke lease ${id}`, { kind: "revoke", id }, (result) => result);
}

function leaseOperation<T>(doing: string, command: LeaseCommand, valueOf: (result: CommandResult) => T): Operation<T> {
  return {
    kind: "write",
    consistency: "linearizable",
    doing,
    bytes: leaseBytes,
    encode: (writer: ByteWriter) => {
      writeLease(writer, command);
    },
    decode: (reader) => {
      const result = readResult(reader);
      const error = leaseError(doing, result);
      if (error !== null) throw error;
      return valueOf(result);
    },
  };
}
