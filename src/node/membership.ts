/** What clients may wish of the configuration, and how each wish becomes one that the core can be given. Pure. */
import type { Membership, MembershipRefusal, MembershipTarget, NodeId, Server } from "../raft/mod.ts";
import type { Refusal } from "./outcomes.ts";

export type MembershipRequest =
  /** A new learner. */
  | { readonly kind: "add"; readonly server: Server }
  /** A learner becomes a voter, once it has caught up. */
  | { readonly kind: "promote"; readonly id: NodeId }
  /** A voter or learner leaves for good. */
  | { readonly kind: "remove"; readonly id: NodeId }
  /** Exactly these vote, all at once; other voters leave for good, other learners stay. */
  | { readonly kind: "set"; readonly voters: readonly NodeId[] };

/** The ends of a change. */
export type MembershipOutcome =
  /** In force and committed. */
  | { readonly kind: "changed"; readonly before: Membership; readonly after: Membership }
  /** What would have been done. */
  | { readonly kind: "planned"; readonly before: Membership; readonly after: Membership }
  | {
      readonly kind: "refused";
      readonly reason: Exclude<MembershipRefusal, "notLeader"> | WishProblem["reason"];
      /** Whom the reason is about. */
      readonly nodes: readonly NodeId[];
    }
  | Refusal
  /** It was begun, and this node cannot see its end. */
  | { readonly kind: "unknown"; readonly reason: "leadershipLost" | "stopping" };

export interface WishProblem {
  readonly reason: "unknownNode" | "alreadyMember" | "addressTaken";
  readonly nodes: readonly NodeId[];
}

/** Who is to vote and to learn for `request` to be fulfilled. `servers` says where the members listen now. */
export function targetOf(
  current: Membership,
  request: MembershipRequest,
  servers: readonly Server[],
): MembershipTarget | WishProblem {
  const { voters, learners } = current;
  const strangers = idsOf(request).filter((id) => !voters.includes(id) && !learners.includes(id));
  switch (request.kind) {
    case "add": {
      const { server } = request;
      if (strangers.length === 0) return { reason: "alreadyMember", nodes: [server.id] };
      const taken = servers.filter((other) => other.id !== server.id && sharesAddress(other, server));
      if (taken.length > 0) return { reason: "addressTaken", nodes: taken.map(({ id }) => id) };
      return { voters, learners: [...learners, server.id], servers: [...servers, server] };
    }
    case "promote":
    case "set": {
      if (strangers.length > 0) return { reason: "unknownNode", nodes: strangers };
      const wanted = request.kind === "set" ? request.voters : [...new Set([...voters, request.id])];
      return { voters: wanted, learners: learners.filter((id) => !wanted.includes(id)), servers };
    }
    case "remove": {
      if (strangers.length > 0 && !current.retired.includes(request.id))
        return { reason: "unknownNode", nodes: strangers };
      const stays = (id: NodeId): boolean => id !== request.id;
      return { voters: voters.filter(stays), learners: learners.filter(stays), servers };
    }
  }
}

function idsOf(request: MembershipRequest): readonly NodeId[] {
  if (request.kind === "add") return [request.server.id];
  return request.kind === "set" ? request.voters : [request.id];
}

function sharesAddress(a: Server, b: Server): boolean {
  return [a.replicate, a.service].some((address) => address === b.replicate || address === b.service);
}

/** Where the members listen: what this node was started with counts more than what the log says, for addresses change. */
export function addressBook(membership: Membership, given: readonly Server[]): readonly Server[] {
  const { voters, outgoing, learners } = membership;
  if (voters.length === 0) return given; // it is joining, and knows nothing else
  const members = new Set([...voters, ...outgoing, ...learners]);
  const book = new Map([...membership.servers, ...given].map((server) => [server.id, server]));
  return [...book.values()].filter(({ id }) => members.has(id)).sort((a, b) => a.id - b.id);
}
