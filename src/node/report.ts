/** Puts together what a node says about itself: reads everything, changes nothing. */
import { assert } from "../lib/assert.ts";
import type { StateMachine } from "../kv/mod.ts";
import type { GroupId, Millis, RaftState, Server } from "../raft/mod.ts";
import type { TransportCounters } from "../transport/mod.ts";
import type { NodeOptions } from "./node.ts";
import type { NodeStatus, PeerStatus } from "./status.ts";

/** The answer of `GET /api/status`. */
export function nodeStatus(node: {
  readonly options: NodeOptions;
  readonly group: GroupId;
  readonly boot: number;
  readonly uptimeMs: Millis;
  readonly now: Millis;
  readonly raft: Readonly<RaftState>;
  readonly machine: StateMachine;
  readonly servers: readonly Server[];
  readonly counters: Readonly<TransportCounters>;
}): NodeStatus {
  const { options, raft, machine } = node;
  const { log, membership } = raft;
  return {
    cluster_id: options.clusterId,
    cluster: options.cluster,
    node_id: options.id,
    boot: node.boot,
    version: options.version,
    pid: options.pid,
    uptime_ms: Math.round(node.uptimeMs),
    group: node.group,
    role: raft.role.kind,
    term: raft.term,
    vote: raft.vote,
    leader: raft.leader,
    commit_index: log.commitIndex,
    applied_index: machine.appliedIndex,
    first_index: log.firstIndex,
    last_index: log.lastIndex,
    snapshot_index: raft.snapshot?.index ?? 0,
    revision: machine.revision,
    key_count: machine.keyCount,
    state_hash: machine.stateHash(),
    members: {
      voters: membership.voters,
      outgoing: membership.outgoing,
      learners: membership.learners,
      learners_next: membership.learnersNext,
      retired: membership.retired,
    },
    removed: raft.isRemoved,
    unreadable: raft.unreadable === null ? null : `entry ${raft.unreadable.index}: ${raft.unreadable.reason}`,
    servers: node.servers,
    peers: peers(raft, node.now),
    transport: { kind: options.transportKind, key: options.clusterKey, ...node.counters },
  };
}

function peers(raft: Readonly<RaftState>, now: Millis): readonly PeerStatus[] {
  const { role, log, options } = raft;
  if (role.kind !== "leader") return [];
  return [...role.progress].map(([id, progress]) => {
    assert(progress.matchIndex <= log.lastIndex, "a follower cannot match more than the leader has");
    return {
      id,
      match: progress.matchIndex,
      next: progress.nextIndex,
      lag: log.lastIndex - progress.matchIndex,
      rtt_ms: progress.rttMs === null ? null : Math.round(progress.rttMs * 100) / 100,
      state: stateOf(progress),
      active: now - progress.contactAt < options.electionTimeoutMs,
    };
  });
}

function stateOf({
  isRefused,
  hasReverted,
  cannotRead,
  state,
}: {
  readonly isRefused: boolean;
  readonly hasReverted: boolean;
  readonly cannotRead: boolean;
  readonly state: PeerStatus["state"];
}): PeerStatus["state"] {
  if (isRefused) return "refused";
  if (hasReverted) return "reverted";
  return cannotRead ? "unreadable" : state;
}
