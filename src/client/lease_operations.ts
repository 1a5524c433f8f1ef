/** The commands and queries about leases of the client library: what each sends, and what its answer holds. */
import {
  leaseError,
  readGranted,
  readLeaseAnswer,
  readLeasesAnswer,
  readResult,
  ttlProblem,
  writeLease,
  writeLeaseQuery,
  writeLeasesQuery,
} from "../wire/mod.ts";
import type {
  CommandResult,
  GrantedLease,
  LeaseAnswer,
  LeaseCommand,
  LeaseQuery,
  LeasesAnswer,
  LeasesQuery,
} from "../wire/mod.ts";
import type { Operation } from "./frame.ts";
import { NotAppliedError } from "./outcomes.ts";

const leaseBytes = 64;

/** What a question counts for: its answer, more than itself, is what takes room. */
const answerBytes = 64 * 1024;

/** A new lease that lasts so long unless it is renewed; id 0: the store chooses one. */
export function grantOperation(ttlMs: number, id = 0): Operation<GrantedLease> {
  const problem = ttlProblem("grant a lease", ttlMs);
  if (problem !== null) throw new NotAppliedError(problem.code, problem.message);
  return leaseOperation("grant a lease", { kind: "grant", id, ttlMs }, readGranted);
}

/** Its time begins anew. The error is LEASE_NOT_FOUND where there is none. */
export function renewOperation(id: number): Operation<GrantedLease> {
  return leaseOperation(`renew lease ${id}`, { kind: "renew", id }, readGranted);
}

/** Ends it, and deletes its keys in one revision. The error is LEASE_NOT_FOUND where there is none. */
export function revokeOperation(id: number): Operation<CommandResult> {
  return leaseOperation(`revoke lease ${id}`, { kind: "revoke", id }, (result) => result);
}

/** One lease, with a page of its keys. */
export function leaseQueryOperation(query: Omit<LeaseQuery, "kind">): Operation<LeaseAnswer> {
  return {
    kind: "read",
    consistency: "linearizable",
    doing: `show lease ${query.id}`,
    bytes: answerBytes,
    encode: (writer) => {
      writeLeaseQuery(writer, query);
    },
    decode: (reader) => {
      const answer = readLeaseAnswer(reader);
      return { ...answer, keys: answer.keys.map((key) => key.slice()) };
    },
  };
}

/** One page of all leases. */
export function leasesQueryOperation(query: Omit<LeasesQuery, "kind">): Operation<LeasesAnswer> {
  return {
    kind: "read",
    consistency: "linearizable",
    doing: "list leases",
    bytes: answerBytes,
    encode: (writer) => {
      writeLeasesQuery(writer, query);
    },
    decode: readLeasesAnswer,
  };
}

function leaseOperation<T>(doing: string, command: LeaseCommand, valueOf: (result: CommandResult) => T): Operation<T> {
  return {
    kind: "write",
    consistency: "linearizable",
    doing,
    bytes: leaseBytes,
    encode: (writer) => {
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
