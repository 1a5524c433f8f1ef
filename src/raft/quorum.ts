/** Majorities: how many are enough, and what the best of them all share. */
import { assert } from "../lib/assert.ts";
import type { NodeId } from "./types.ts";

/** How many of `count` voters make a majority. */
export function majority(count: number): number {
  assert(count > 0, "an empty voter set has no majority");
  return Math.floor(count / 2) + 1;
}

/** The greatest value that a majority of `voters` has reached. */
export function quorumValue(voters: readonly NodeId[], valueOf: (id: NodeId) => number): number {
  const values = voters.map(valueOf).sort((a, b) => b - a);
  const value = values[majority(voters.length) - 1];
  assert(value !== undefined, "a majority is never larger than the set");
  return value;
}

/** Where an election stands. Voters that have not answered can still tip it while it is `pending`. */
export type Tally = "won" | "lost" | "pending";

/** Counts real voters only, whoever else has answered. */
export function tally(voters: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): Tally {
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
