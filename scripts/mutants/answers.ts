/** Bugs in what clients are told: reads that are old, and writes whose outcome is told wrong. */
import { mutant, type Mutant } from "./mutant.ts";

export const answersMutants: readonly Mutant[] = [
  mutant("no no-op, read index at once", {
    file: "src/raft/leader.ts",
    find: "return state.log.termAt(state.log.commitIndex) === state.term;",
    replace: 'return state.role.kind === "leader";',
  }),
  mutant("reads without a round", {
    file: "src/raft/leader.ts",
    find: "leader.reads.start({ round: leader.round, index: state.log.commitIndex, startedAt: state.now });",
    replace: "leader.reads.start({ round: 0, index: state.log.commitIndex, startedAt: state.now });",
  }),
  mutant("read round from before the read counted", {
    file: "src/raft/leader.ts",
    find: "leader.reads.start({ round: leader.round, index: state.log.commitIndex, startedAt: state.now });",
    replace: "leader.reads.start({ round: leader.round - 1, index: state.log.commitIndex, startedAt: state.now });",
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
  mutant("memory sorts a failed condition as done", {
    file: "src/kv/commands.ts",
    find: "if (command.ifRevision !== null && command.ifRevision !== modRevision) {",
    replace: "if (command.ifRevision !== null && command.ifRevision < modRevision) {",
  }),
];
