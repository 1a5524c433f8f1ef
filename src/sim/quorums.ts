/** Quorums as the simulator understands them: worked out from what they are, and with nothing that the core uses. */
import type { Membership, NodeId } from "../raft/mod.ts";

/** The sets of voters of which each must agree by its majority. */
export function halvesOf({ voters, outgoing }: Membership): readonly (readonly NodeId[])[] {
  return outgoing.length === 0 ? [voters] : [voters, outgoing];
}

/** Whether those of `voters` for whom `agrees` holds are a majority. Nobody is none. */
export function isMajority(voters: readonly NodeId[], agrees: (id: NodeId) => boolean): boolean {
  return 2 * voters.filter(agrees).length > voters.length;
}

/** Whether those for whom `agrees` holds decide under `membership`. */
export function decides(membership: Membership, agrees: (id: NodeId) => boolean): boolean {
  return halvesOf(membership).every((half) => isMajority(half, agrees));
}

/** Whether each quorum of one shares a voter with each of the other. Tries every set of voters, so there must not be many. */
export function quorumsMeet(one: Membership, other: Membership): boolean {
  const ids = [...new Set([...halvesOf(one), ...halvesOf(other)].flat())];
  for (let set = 0; set < 2 ** ids.length; set++) {
    const isIn = (id: NodeId): boolean => ((set >> ids.indexOf(id)) & 1) === 1;
    if (decides(one, isIn) && decides(other, (id) => !isIn(id))) return false;
  }
  return true;
}
