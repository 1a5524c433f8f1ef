/** Bugs in replication and commitment: logs that part, entries that are committed too early or never sent. */
import { mutant, type Mutant } from "./mutant.ts";

export const replicationMutants: readonly Mutant[] = [
  mutant("acknowledge before quorum", {
    file: "src/raft/leader.ts",
    find: "(id === state.id ? log.stableIndex : matchIndex(leader, id));",
    replace: "log.stableIndex + 0 * matchIndex(leader, id);",
  }),
  mutant("leader counts itself before its disk", {
    file: "src/raft/leader.ts",
    find: "(id === state.id ? log.stableIndex : matchIndex(leader, id));",
    replace: "(id === state.id ? log.lastIndex : matchIndex(leader, id));",
  }),
  mutant(
    // Our leader's first append to a follower begins with the very entry that conflicts, so that no stale tail outlives an append
    // that agrees. Raft does not ask that of a leader: the second edit makes one that probes with empty appends, as others do,
    // and is no bug by itself. The clamp on the leader's side stays: it concerns heartbeats, and has a mutant of its own.
    "followers commit min(leaderCommit, own last index)",
    {
      file: "src/raft/follower.ts",
      find: "commitUpTo(state, Math.min(message.commitIndex, matchIndex));",
      replace: "commitUpTo(state, Math.min(message.commitIndex, log.lastIndex));",
    },
    {
      file: "src/raft/replication.ts",
      find: "sendAppend(state, { to, progress, entries: state.log.entries(range) });",
      replace:
        'sendAppend(state, { to, progress, entries: progress.state === "probe" ? [] : state.log.entries(range) });',
    },
  ),
  mutant("heartbeat tells the leader's commit index", {
    file: "src/raft/replication.ts",
    find: "const commitIndex = Math.min(progress.matchIndex, state.log.commitIndex);",
    replace: "const commitIndex = progress.matchIndex * 0 + state.log.commitIndex;",
  }),
  mutant("truncate on any append", {
    file: "src/raft/follower.ts",
    find: "if (log.matches(entry)) continue;",
    replace: "if (entry.index <= log.commitIndex) continue;",
  }),
  mutant("append without looking at the previous entry", {
    file: "src/raft/follower.ts",
    find: "if (!log.matches(previous)) {",
    replace: "if (previous.index > log.lastIndex) {",
  }),
  mutant("commit an older term by counting", {
    file: "src/raft/leader.ts",
    find: "if (log.termAt(index) !== state.term) return;",
    replace: "",
  }),
  mutant(
    "stale append response after restart counted",
    {
      file: "src/raft/raft.ts",
      find: "    if (message.term < this.state.term) this.answerPastTerm(message);",
      replace:
        '    if (message.term < this.state.term && message.kind !== "AppendEntriesResponse") this.answerPastTerm(message);',
    },
    {
      file: "src/raft/replication.ts",
      find: "message.session !== progress.session) return;",
      replace: "message.boot < 0) return;",
    },
    {
      file: "src/raft/replication.ts",
      find: "if (message.boot < progress.boot) return;",
      replace: "",
    },
    {
      file: "src/raft/replication.ts",
      find: "if (progress.boot !== 0) {",
      replace: "if (progress.boot < 0) {",
    },
  ),
  mutant(
    "acknowledgement of an earlier term kept",
    {
      file: "src/raft/state.ts",
      find: 'this.promises = this.promises.filter((message) => message.kind !== "AppendEntriesResponse");',
      replace: "",
    },
    {
      file: "src/node/node.ts",
      find: "return promises.some(isOld) ? promises.filter((message) => !isOld(message)) : promises;",
      replace: "return isOld ? promises : [];",
    },
  ),
  mutant("acknowledgement leaves before the disk has it", {
    file: "src/raft/state.ts",
    find: "this.promises.push(message);\n  }\n\n  /** The fields",
    replace: "this.messages.push(message);\n  }\n\n  /** The fields",
  }),
  mutant("lost window is never sent again", {
    file: "src/raft/replication.ts",
    find: "if (windowLost) nudge(state, { to: message.from, progress });",
    replace: "if (windowLost && state.now < 0) nudge(state, { to: message.from, progress });",
  }),
];
