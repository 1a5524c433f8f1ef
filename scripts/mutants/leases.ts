/** Bugs in what lets a leader answer reads without asking: the lease itself, and the promises of the voters behind it. */
import { mutant, type Mutant } from "./mutant.ts";

export const leaseMutants: readonly Mutant[] = [
  mutant("lease of two timeouts", {
    file: "src/raft/lease.ts",
    find: "return now - answered.startedAt < options.electionTimeoutMs / options.clockRatioMax - options.leaseMarginMs;",
    replace: "return now - answered.startedAt < 2 * options.electionTimeoutMs;",
  }),
  mutant("lease of a round that nobody answered", {
    file: "src/raft/leader.ts",
    find: "leader.lease.holds(state.now, ackedRound(state, leader), state.options);",
    replace: "leader.lease.holds(state.now, leader.round + 0 * ackedRound(state, leader), state.options);",
  }),
  mutant("lease kept after TimeoutNow", {
    file: "src/raft/leader.ts",
    find: "leader.lease.end();\n  leader.transfer = newTransfer(state, to);",
    replace: "leader.transfer = newTransfer(state, to);",
  }),
  mutant("no vote refusal after boot", {
    file: "src/raft/state.ts",
    find: "this.votesFrom = boot > 1 ? start.now + options.electionTimeoutMs : start.now;",
    replace: "this.votesFrom = start.now;",
  }),
  mutant("another term forgets the leader that was heard", {
    file: "src/raft/state.ts",
    find: "    this.hardStateSeq = null;\n    // What an earlier leader",
    replace: "    this.hardStateSeq = null;\n    this.votesFrom = 0;\n    // What an earlier leader",
  }),
  mutant("lease against a clock read earlier", {
    file: "src/raft/raft.ts",
    find: "this.advance(now); // a lease",
    replace: "// a lease",
  }),
  mutant("a lease settles questions that do not trust it", {
    file: "src/raft/follower.ts",
    find: "if (message.lease && !lease) continue;",
    replace: "",
  }),
];
