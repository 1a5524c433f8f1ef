/** Deliberate bugs, each of which the simulator must find. They are texts to be replaced in a copy of the sources; nothing here is ever run in place. */

/** One replacement. `find` must stand in the file exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
}

export const mutants: readonly Mutant[] = [
  mutant("acknowledge before quorum", {
    file: "src/raft/leader.ts",
    find: "id === state.id ? log.stableIndex : matchIndex(leader, id),",
    replace: "log.stableIndex + 0 * matchIndex(leader, id),",
  }),
  mutant("leader counts itself before its disk", {
    file: "src/raft/leader.ts",
    find: "id === state.id ? log.stableIndex : matchIndex(leader, id),",
    replace: "id === state.id ? log.lastIndex : matchIndex(leader, id),",
  }),
  mutant("vote not persisted", {
    file: "src/raft/raft.ts",
    find: "{ term: state.term, vote: state.vote } : null;",
    replace: "{ term: state.term, vote: null } : null;",
  }),
  mutant("vote forgotten on restart", {
    file: "src/raft/state.ts",
    find: "this.vote = start.hardState.vote;",
    replace: "this.vote = null;",
  }),
  mutant(
    "two votes in a term",
    {
      file: "src/raft/voting.ts",
      find: "state.vote === message.from || (state.vote === null && state.leader === null);",
      replace: "state.leader === null;",
    },
    {
      file: "src/raft/state.ts",
      find: 'assert(this.vote === null || this.vote === candidate, "one vote a term");',
      replace: "",
    },
  ),
  mutant("vote for a shorter log", {
    file: "src/raft/voting.ts",
    find: "(candidate.term === own.term && candidate.index >= own.index)",
    replace: "candidate.term === own.term",
  }),
  mutant("vote leaves before the disk has it", {
    file: "src/raft/state.ts",
    find: `      case "RequestVote":
      case "RequestVoteResponse":
        this.promises.push(message);`,
    replace: `      case "RequestVote":
      case "RequestVoteResponse":
        this.messages.push(message);`,
  }),
  mutant("term persisted after its entries", {
    file: "src/raft/raft.ts",
    find: "const hardState = dirty ?",
    replace: "const hardState = dirty && entries.length === 0 ?",
  }),
  mutant(
    "candidate wins before its own vote is durable",
    {
      file: "src/raft/candidate.ts",
      find: 'state.role = { kind: "candidate", votes: new Map() };',
      replace: 'state.role = { kind: "candidate", votes: new Map([[state.id, true]]) };',
    },
    {
      file: "src/raft/leader.ts",
      find: 'assert(state.hardStateDurable, "the vote for ourselves left before it was durable");',
      replace: "",
    },
  ),
  mutant("no no-op, read index at once", {
    file: "src/raft/leader.ts",
    find: "return state.log.termAt(state.log.commitIndex) === state.term;",
    replace: 'return state.role.kind === "leader";',
  }),
  mutant("reads without a round", {
    file: "src/raft/leader.ts",
    find: "leader.reads.start({ round: leader.round, index: state.log.commitIndex });",
    replace: "leader.reads.start({ round: 0, index: state.log.commitIndex });",
  }),
  mutant("read round from before the read counted", {
    file: "src/raft/leader.ts",
    find: "leader.reads.start({ round: leader.round, index: state.log.commitIndex });",
    replace: "leader.reads.start({ round: leader.round - 1, index: state.log.commitIndex });",
  }),
  mutant("read answered before its index is applied", {
    file: "src/node/reads.ts",
    find: "if (group.index > appliedIndex) later.push(group);",
    replace: "if (group.index > Infinity * appliedIndex) later.push(group);",
  }),
  mutant("old answer settles a newer question", {
    file: "src/raft/follower.ts",
    find: "if (request > message.request) return;",
    replace: "",
  }),
  mutant("follower commits to its own last index", {
    file: "src/raft/follower.ts",
    find: "commitUpTo(state, Math.min(message.commitIndex, matchIndex));",
    replace: "commitUpTo(state, Math.min(message.commitIndex, log.lastIndex));",
  }),
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
  mutant("late disk completion after truncation counted", {
    file: "src/raft/log.ts",
    find: "write.lastIndex = Math.min(write.lastIndex, index - 1);",
    replace: "write.lastIndex = write.lastIndex + 0;",
  }),
  mutant(
    "stale append response after restart counted",
    {
      file: "src/raft/replication.ts",
      find: "message.session !== progress.session || message.boot < progress.boot) return;",
      replace: "message.boot < 0) return;",
    },
    {
      file: "src/raft/replication.ts",
      find: "if (progress.boot !== 0) {",
      replace: "if (progress.boot < 0) {",
    },
  ),
  mutant("acknowledgement of an earlier term kept", {
    file: "src/raft/state.ts",
    find: 'this.promises = this.promises.filter((message) => message.kind !== "AppendEntriesResponse");',
    replace: "",
  }),
  mutant("acknowledgement leaves before the disk has it", {
    file: "src/raft/state.ts",
    find: "this.promises.push(message);\n  }\n\n  /** The fields",
    replace: "this.messages.push(message);\n  }\n\n  /** The fields",
  }),
  mutant(
    "waiter keyed by index only",
    {
      file: "src/node/waiters.ts",
      find: "return first?.id.index === index && first.id.term === term;",
      replace: "return first?.id.index === index && term > 0;",
    },
    {
      file: "src/node/waiters.ts",
      find: "if (first.id.term !== id.term) {",
      replace: "if (first.id.term < 0) {",
    },
  ),
  mutant("lost office refuses what is in the log", {
    file: "src/node/waiters.ts",
    find: 'for (const part of waiter.parts) part.done({ kind: "unknown", reason });',
    replace: 'for (const part of waiter.parts) part.done({ kind: "notApplied", reason: "notLeader", leader: null });',
  }),
  mutant(
    "apply twice after restart",
    {
      file: "src/raft/log.ts",
      find: "this.handedOutIndex += entries.length;",
      replace: "this.handedOutIndex += Math.max(1, entries.length - 1);",
    },
    {
      file: "src/kv/store.ts",
      find: 'assert(entry.index === this.lastApplied + 1, "entries are applied in order, each once");',
      replace: "",
    },
  ),
  mutant(
    "pre-vote counted as a vote",
    {
      file: "src/raft/candidate.ts",
      find: 'state.role = { kind: "candidate", votes: new Map() };',
      replace:
        'state.role = { kind: "candidate", votes: state.role.kind === "preCandidate" ? state.role.votes : new Map() };',
    },
    {
      file: "src/raft/candidate.ts",
      find: "if (candidate.votes.has(state.id)) return;",
      replace: "",
    },
  ),
  mutant("isolated leader never steps down", {
    file: "src/raft/leader.ts",
    find: "if (!hasQuorumContact(state, leader)) {",
    replace: "if (state.now < 0) {",
  }),
  mutant(
    "nobody holds back for a live leader",
    {
      file: "src/raft/voting.ts",
      find: "if (message.term > state.term && hearsLeader(state)) return;",
      replace: "",
    },
    {
      file: "src/raft/raft.ts",
      find: "if (!message.transfer && hearsLeader(state)) return false;",
      replace: "if (message.transfer && !hearsLeader(state)) return false;",
    },
  ),
  mutant("lost window is never sent again", {
    file: "src/raft/replication.ts",
    find: "if (windowLost) nudge(state, { to: message.from, progress });",
    replace: "if (windowLost && state.now < 0) nudge(state, { to: message.from, progress });",
  }),
  mutant("transfer goes on proposing", {
    file: "src/raft/leader.ts",
    find: 'if (leader.transfer !== null) return { ok: false, reason: "transferring", leader: state.id };',
    replace: "",
  }),
  mutant("memory sorts a failed condition as done", {
    file: "src/kv/commands.ts",
    find: "if (command.ifRevision !== null && command.ifRevision !== modRevision) {",
    replace: "if (command.ifRevision !== null && command.ifRevision < modRevision) {",
  }),
  mutant("frames are not checked", {
    file: "src/wire/frame.ts",
    find: "if (crc32(frame.subarray(offsets.magic, checksum)) !== u32At(frame, checksum)) {",
    replace: "if (crc32(frame.subarray(offsets.magic, checksum)) === -1) {",
  }),
  mutant("payloads are not checked", {
    file: "src/wire/entry_codec.ts",
    find: "if (entryChecksum(entry) !== entry.checksum) throw new CorruptError(`entry ${index} does not match its checksum`);",
    replace: "if (entryChecksum(entry) === -1) throw new CorruptError(`entry ${index} does not match its checksum`);",
  }),
];

function mutant(name: string, ...edits: readonly Edit[]): Mutant {
  return { name, edits };
}
