/** Words for tests of membership changes: a group to change, what a node lives by, and what becomes of a change. */
import { expect } from "bun:test";
import type { NodeId } from "../../src/raft/mod.ts";
import { Cluster, type ClusterOptions } from "./harness.ts";

/** A group that node 1 leads, at rest. */
export function led(options: ClusterOptions): Cluster {
  const cluster = new Cluster(options);
  cluster.elect(1);
  cluster.run(200);
  return cluster;
}

export function membersAt(cluster: Cluster, id: NodeId): string {
  const { voters, outgoing, learners, learnersNext } = cluster.raft(id).view.membership;
  const half = outgoing.length === 0 ? "" : `&${outgoing.join(" ")}`;
  const next = learnersNext.length === 0 ? "" : ` then ${learnersNext.join(" ")}`;
  return `${voters.join(" ")}${half}${learners.length === 0 && next === "" ? "" : ` | ${learners.join(" ")}${next}`}`;
}

export function change(
  cluster: Cluster,
  id: NodeId,
  voters: readonly NodeId[],
  learners: readonly NodeId[] = [],
): void {
  expect(cluster.change(id, { voters, learners })).toMatchObject({ ok: true });
}

export function refusal(
  cluster: Cluster,
  id: NodeId,
  voters: readonly NodeId[],
  learners: readonly NodeId[] = [],
): string {
  const answer = cluster.change(id, { voters, learners });
  return answer.ok ? "accepted" : [answer.reason, ...answer.nodes].join(" ");
}
