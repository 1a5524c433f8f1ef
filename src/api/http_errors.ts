/** Every way in which the node's outcomes become errors for users, and errors become HTTP statuses. Made here and nowhere else. */
import { ProaError } from "../lib/errors.ts";
import type { ErrorCode } from "../lib/errors.ts";
import type { NodeService, Refusal, RefusalReason, TransferOutcome } from "../node/mod.ts";
import type { NodeId } from "../raft/mod.ts";

/** The HTTP status of each code that a client can meet. */
export const statusOfCode: Partial<Record<ErrorCode, number>> = {
  INVALID_REQUEST: 400,
  NOT_FOUND: 404,
  LEASE_NOT_FOUND: 404,
  FUTURE_REVISION: 404,
  COMPACTED: 410,
  TRANSFER_REFUSED: 409,
  MEMBERSHIP_REFUSED: 409,
  LEASE_EXISTS: 409,
  REQUEST_EXPIRED: 409,
  PRECONDITION_FAILED: 412,
  TOO_LARGE: 413,
  NO_LEADER: 503,
  NOT_LEADER: 503,
  NO_QUORUM: 503,
  OVERLOADED: 503,
  TRANSFERRING: 503,
  MEMBERSHIP_BUSY: 503,
  NOT_CAUGHT_UP: 503,
  TOO_MANY_LEASES: 503,
  STOPPING: 503,
  REMOVED: 503,
  TOO_MANY_HOPS: 503,
  READ_TIMEOUT: 503,
  OUTCOME_UNKNOWN: 504,
};

/** The HTTP status of an error; 500 for what only a bug can bring here. */
export function statusOf(error: ProaError): number {
  return statusOfCode[error.code] ?? 500;
}

export type RequestKind = "write" | "read" | "transfer" | "members";

const verbs: Record<RequestKind, string> = {
  write: "write",
  read: "read",
  transfer: "transfer leadership",
  members: "change the members",
};

const tryAgain = "nothing was changed: try again";

/** The error for a request that `node` refused, and that is not tried again. */
export function refusalError(
  kind: RequestKind,
  { reason, leader }: Pick<Refusal, "reason" | "leader">,
  node: NodeService,
): ProaError {
  const action = `Cannot ${verbs[kind]}`;
  switch (reason) {
    case "notLeader": {
      const hint = leader === null ? "ask another node" : `ask node ${leader}, which leads`;
      return new ProaError("NOT_LEADER", `${action}: this node does not lead`, { hint });
    }
    case "noLeader":
      return new ProaError("NO_LEADER", `${action}: no leader is known`, { hint: "proa cluster status" });
    case "transferring":
      return new ProaError("TRANSFERRING", `${action}: leadership is being handed over`, { hint: tryAgain });
    case "overloaded":
      return new ProaError("OVERLOADED", `${action}: too many requests wait already`, {
        hint: `${tryAgain} with fewer requests at once`,
      });
    case "stopping":
      return new ProaError("STOPPING", `${action}: this node is stopping`, { hint: "ask another node" });
    case "removed":
      return new ProaError("REMOVED", `${action}: ${hasLeft}`, { hint: `ask ${otherEndpoints(node).join(",")}` });
  }
}

/** What a node says that belongs to the cluster no more. */
export const hasLeft = "this node has left the cluster for good";

/** The service ports of the other nodes, as far as `node` knows: what it knew last, if it has left. */
export function otherEndpoints(node: NodeService): readonly string[] {
  return node.servers.filter(({ id }) => id !== node.id).map(({ service }) => service);
}

/** Why a held request could not go anywhere. */
export type HeldReason =
  | { readonly kind: "refused"; readonly reason: RefusalReason }
  /** `why` the connection to the leader failed. */
  | { readonly kind: "unreachable"; readonly leader: NodeId; readonly why: string };

/** The error for a request that waited for a leader until its time was up. */
export function heldError(kind: RequestKind, held: HeldReason, timeoutMs: number): ProaError {
  const action = `Cannot ${verbs[kind]}`;
  const hint = "proa cluster status";
  if (held.kind === "unreachable") {
    const reason = `the leader, node ${held.leader}, could not be reached within ${timeoutMs} ms (${held.why})`;
    return new ProaError("NO_LEADER", `${action}: ${reason}`, { hint });
  }
  if (held.reason === "transferring") {
    return new ProaError("TRANSFERRING", `${action}: leadership was being handed over for ${timeoutMs} ms`, { hint });
  }
  return new ProaError("NO_LEADER", `${action}: no leader was found within ${timeoutMs} ms`, { hint });
}

/** Why nobody here can tell the fate of a write. */
export type UnknownReason =
  | { readonly kind: "leadershipLost" | "stopping" }
  | { readonly kind: "timeout"; readonly timeoutMs: number }
  /** `why` the connection over which it was handed to the leader gave no answer. */
  | { readonly kind: "connection"; readonly leader: NodeId; readonly why: string };

/** The error for a write that was proposed, and that may or may not take effect. */
export function unknownError(reason: UnknownReason): ProaError {
  return new ProaError("OUTCOME_UNKNOWN", `Cannot confirm the write: ${unknownText(reason)}`, {
    hint: "it may or may not take effect: read the key before you write again",
  });
}

function unknownText(reason: UnknownReason): string {
  switch (reason.kind) {
    case "leadershipLost":
      return "the leader lost its office before the write was committed";
    case "stopping":
      return "this node stopped before the write was committed";
    case "timeout":
      return `no majority confirmed it within ${reason.timeoutMs} ms`;
    case "connection":
      return `the leader, node ${reason.leader}, was asked and did not answer (${reason.why})`;
  }
}

/** The error for a read that no leader confirmed in time. */
export function readTimeoutError(
  leader: { readonly id: NodeId | null; readonly isSelf: boolean },
  timeoutMs: number,
): ProaError {
  const hint = "proa cluster status; or read with consistency=stale";
  if (leader.id === null) {
    return new ProaError("NO_LEADER", `Cannot read: no leader was found within ${timeoutMs} ms`, { hint });
  }
  const [code, who] = leader.isSelf
    ? (["NO_QUORUM", "a majority"] as const)
    : (["READ_TIMEOUT", `the leader, node ${leader.id},`] as const);
  return new ProaError(code, `Cannot read: ${who} did not confirm the read within ${timeoutMs} ms`, { hint });
}

/** The error for a leader transfer that did not end well. */
export function transferError(
  outcome: Exclude<TransferOutcome, { kind: "transferred" }>,
  node: NodeService,
  to: NodeId | null,
): ProaError {
  const target = to === null ? "the most caught-up node" : `node ${to}`;
  switch (outcome.kind) {
    case "notApplied":
      return refusalError("transfer", outcome, node);
    case "refused": {
      const why = {
        alreadyLeader: `${target} already leads`,
        unknownNode: to === null ? "there is no other voter" : `there is no node ${to}`,
        learner: `${target} does not vote`,
        transferring: "leadership is being handed over already",
      }[outcome.reason];
      return new ProaError("TRANSFER_REFUSED", `Cannot transfer leadership: ${why}`, { hint: "proa cluster status" });
    }
    case "timedOut": {
      if (outcome.leader === node.id) {
        return new ProaError("TRANSFER_REFUSED", `Cannot transfer leadership: ${target} did not take over in time`, {
          hint: `node ${node.id} leads on; see in proa cluster status whether the target is up and caught up`,
        });
      }
      const now = outcome.leader === null ? "no leader is known" : `node ${outcome.leader} leads`;
      return new ProaError("OUTCOME_UNKNOWN", `Cannot confirm the transfer: ${now}`, { hint: "proa leader show" });
    }
  }
}
