/** Majorities: how many are enough, and what the best of them all share. A joint configuration needs one of each half (thesis §4.3, rule M4). */
import { assert } from "../lib/assert.ts";
import type { Membership, NodeId } from "./types.ts";

/** The halves of a configuration that decide. */
export type Quorum = Pick<Membership, "voters" | "outgoing">;

/** How many of `count` voters make a majority. */
export function majority(count: number): number {
  assert(count > 0, "an empty voter set has no majority");
  return Math.floor(count / 2) + 1;
}

/** The greatest value that a majority has reached; of both halves while there are two. */
export function quorumValue({ voters, outgoing }: Quorum, valueOf: (id: NodeId) => number): number {
  const value = majorityValue(voters, valueOf);
  return outgoing.length === 0 ? value : Math.min(value, majorityValue(outgoing, valueOf));
}

function majorityValue(voters: readonly NodeId[], valueOf: (id: NodeId) => number): number {
  const values = voters.map(valueOf).sort((a, b) => b - a);
  const value = values[majority(voters.length) - 1];
  assert(value !== undefined, "a majority is never larger than the set");
  return value;
}

/** Where an election stands. Voters that have not answered can still tip it while it is `pending`. */
export type Tally = "won" | "lost" | "pending";

/** Counts real voters only, whoever else has answered. Two halves must both be won, and one that is lost loses all. */
export function tally({ voters, outgoing }: Quorum, votes: ReadonlyMap<NodeId, boolean>): Tally {
  const outcome = tallyOf(voters, votes);
  if (outgoing.length === 0) return outcome;
  const other = tallyOf(outgoing, votes);
  if (outcome === "lost" || other === "lost") return "lost";
  return outcome === "won" && other === "won" ? "won" : "pending";
}

function tallyOf(voters: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): Tally {
  let granted = 0;
  let refused = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === true) granted++;
    else if (vote === false) refused++;
  }
  const needed = majority(voters.length);
  if (granted >= needed) return "won";
  return voters.length - refused < needed ? "lost" : "pending";
}
