/** What a configuration says about a node. Pure; knows no log. */
import type { Membership, NodeId, Server } from "./types.ts";

/** A configuration that is not joint: the first one of a group. Sorts what it is given. */
export function newMembership(members: {
  readonly voters: readonly NodeId[];
  readonly learners?: readonly NodeId[];
  readonly servers?: readonly Server[];
}): Membership {
  return {
    voters: ascending(members.voters),
    outgoing: [],
    learners: ascending(members.learners ?? []),
    learnersNext: [],
    retired: [],
    servers: (members.servers ?? []).toSorted((a, b) => a.id - b.id),
  };
}

/** What a node knows that is to join a cluster: nothing, until it receives the log. */
export const noMembership: Membership = newMembership({ voters: [] });

/** Whether two majorities decide. */
export function isJoint(membership: Membership): boolean {
  return membership.outgoing.length > 0;
}

/** Whether a majority that `id` belongs to decides: of the voters, or of those that are being left. */
export function isVoter({ voters, outgoing }: Membership, id: NodeId): boolean {
  return voters.includes(id) || outgoing.includes(id);
}

/** All who decide, ascending. */
export function votersOf({ voters, outgoing }: Membership): readonly NodeId[] {
  return outgoing.length === 0 ? voters : union(voters, outgoing);
}

/** All who receive the log, ascending. */
export function membersOf(membership: Membership): readonly NodeId[] {
  return union(votersOf(membership), membership.learners);
}

/** The members of both sets, ascending. */
export function union(left: readonly NodeId[], right: readonly NodeId[]): readonly NodeId[] {
  return ascending([...new Set([...left, ...right])]);
}

function ascending(ids: readonly NodeId[]): readonly NodeId[] {
  return ids.toSorted((a, b) => a - b);
}
