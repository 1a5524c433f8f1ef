/** What a configuration says about a node, and which one follows it when another is wanted. Pure; knows no log. */
import { assert } from "../lib/assert.ts";
import type { DirectoryNumber, Membership, NodeId, Server } from "./types.ts";

/** Who is to vote and who to learn, from now on. Who is neither leaves for good. */
export interface MembershipTarget {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Where new members listen, and members that have moved. */
  readonly servers: readonly Server[];
}

/** Turns configurations into the payloads of entries and back; what it reads it checks. */
export interface MembershipCodec {
  readonly encode: (membership: Membership) => Uint8Array;
  readonly decode: (payload: Uint8Array) => Membership;
}

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
    directories: [],
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

/** The directory that `id` is bound to; 0 if to none. */
export function directoryOf({ directories }: Membership, id: NodeId): DirectoryNumber {
  for (const binding of directories) if (binding.id === id) return binding.directory;
  return 0;
}

/** Whether both say the same of who belongs to the cluster and where it listens: they may differ in bindings alone. */
export function sameMembers(left: Membership, right: Membership): boolean {
  return (
    sameIds(left.voters, right.voters) &&
    sameIds(left.outgoing, right.outgoing) &&
    sameIds(left.learners, right.learners) &&
    sameIds(left.learnersNext, right.learnersNext) &&
    JSON.stringify(left.servers) === JSON.stringify(right.servers)
  );
}

/**
 * The first step from `current` to `target`: one step is enough where the voters stay, and otherwise both majorities decide
 * until {@link membershipAfter} ends it. One path for every change of voters, so that there is only one to prove.
 */
export function membershipTowards(current: Membership, target: MembershipTarget): Membership {
  assert(!isJoint(current), "a change begins where the last one has ended");
  const voters = ascending(target.voters);
  const outgoing = sameIds(voters, current.voters) ? [] : current.voters;
  const learners = ascending(target.learners);
  return completed(current, target.servers, {
    voters,
    outgoing,
    learners: learners.filter((id) => !outgoing.includes(id)),
    learnersNext: learners.filter((id) => outgoing.includes(id)),
  });
}

/** What a joint configuration ends in. */
export function membershipAfter(joint: Membership): Membership {
  assert(isJoint(joint), "only a joint configuration ends by itself");
  const { voters, learners, learnersNext } = joint;
  return completed(joint, [], { voters, outgoing: [], learners: union(learners, learnersNext), learnersNext: [] });
}

/** The configuration of `members` that follows `before`: whoever is no longer in it is retired, and its address forgotten. */
function completed(
  before: Membership,
  moved: readonly Server[],
  members: Pick<Membership, "voters" | "outgoing" | "learners" | "learnersNext">,
): Membership {
  const ids = new Set([...members.voters, ...members.outgoing, ...members.learners]);
  const servers = new Map([...before.servers, ...moved].map((server) => [server.id, server]));
  return {
    ...members,
    retired: union(
      before.retired,
      membersOf(before).filter((id) => !ids.has(id)),
    ),
    servers: [...servers.values()].filter(({ id }) => ids.has(id)).sort((a, b) => a.id - b.id),
    directories: before.directories.filter(({ id }) => ids.has(id)),
  };
}

/** Whether both, ascending, name the same ids. */
export function sameIds(left: readonly NodeId[], right: readonly NodeId[]): boolean {
  return left.length === right.length && left.every((id, position) => id === right[position]);
}

/** The members of both sets, ascending. */
function union(left: readonly NodeId[], right: readonly NodeId[]): readonly NodeId[] {
  return ascending([...new Set([...left, ...right])]);
}

function ascending(ids: readonly NodeId[]): readonly NodeId[] {
  return ids.toSorted((a, b) => a - b);
}
