/** What a node says when it stops because the cluster knows it by another data directory (rule P13). */
import { ProaError } from "../lib/errors.ts";
import { membersOf, type NodeId, type RaftState } from "../raft/mod.ts";

/** The end of a node: nothing that it could still promise would count. */
export function refusedDirectory(id: NodeId, { membership }: Readonly<RaftState>): ProaError {
  const unused = 1 + Math.max(id, ...membersOf(membership), ...membership.retired);
  return new ProaError(
    "DATA_FOREIGN",
    `Cannot go on as node ${id}: the cluster knows it by another data directory, and what node ${id} has promised is not in this one`,
    {
      hint:
        `start it on the directory that it had; if that is lost, replace the node by one with an id that was never used: ` +
        `proa cluster remove ${id}, then proa cluster add ${unused} HOST:PORT, and on an empty directory proa node start --id ${unused} --join ENDPOINT`,
    },
  );
}
