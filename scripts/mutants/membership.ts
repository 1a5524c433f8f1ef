/** Bugs in changes of the members: who decides and when, what becomes of a change that is cut off, and those who have left. */
import { mutant, type Mutant } from "./mutant.ts";

export const membershipMutants: readonly Mutant[] = [
  mutant(
    "configuration acts at apply",
    {
      file: "src/raft/state.ts",
      find: "return this.log.memberships.current;",
      replace: "return this.log.memberships.at(this.log.appliedIndex);",
    },
    {
      file: "src/raft/leader.ts",
      find: "if (log.memberships.currentIndex <= log.commitIndex) return",
      replace: "if (log.memberships.currentIndex >= 0) return",
    },
  ),
  mutant("two changes at once", {
    file: "src/raft/membership_change.ts",
    find: 'if (isJoint(membership) || log.memberships.changedIndex > log.commitIndex) return refuse("changing");',
    replace: 'if (isJoint(membership)) return refuse("changing");',
  }),
  mutant("joint configuration left before it is committed", {
    file: "src/raft/membership_change.ts",
    find: "if (log.memberships.currentIndex > log.commitIndex || !committedInTerm(state)) return;",
    replace: "if (!committedInTerm(state)) return;",
  }),
  mutant("joint configuration is never left", {
    file: "src/raft/membership_change.ts",
    find: "else if (isJoint(membership) && leader.transfer === null) adopt",
    replace: "else if (isJoint(membership) && leader.transfer === null && state.now < 0) adopt",
  }),
  mutant(
    "learner counted in quorums",
    {
      file: "src/raft/quorum.ts",
      find: "export function quorumValue({ voters, outgoing }: Quorum,",
      replace: "export function quorumValue({ voters, outgoing, learners }: Membership,",
    },
    {
      file: "src/raft/quorum.ts",
      find: "const value = majorityValue(voters, valueOf);",
      replace: "const value = majorityValue([...voters, ...learners], valueOf);",
    },
  ),
  mutant("joint configuration commits by its new half alone", {
    file: "src/raft/quorum.ts",
    find: "return outgoing.length === 0 ? value :",
    replace: "return outgoing.length >= 0 ? value :",
  }),
  mutant("joint configuration elects by its new half alone", {
    file: "src/raft/quorum.ts",
    find: "if (outgoing.length === 0) return outcome;",
    replace: "if (outgoing.length >= 0) return outcome;",
  }),
  mutant("configuration stays when its entry is cut", {
    file: "src/raft/log.ts",
    find: "this.memberships.truncateFrom(index);",
    replace: "",
  }),
  mutant("snapshot without configuration", {
    file: "src/raft/log.ts",
    find: "this.memberships.reset(snapshot);",
    replace: "this.memberships.reset({ index: snapshot.index, membership: this.memberships.current });",
  }),
  mutant("removed leader goes on counting itself", {
    file: "src/raft/leader.ts",
    find: "const index = Math.min(quorumValue(membership, stored), to);",
    replace:
      "const voters = [...new Set([...membership.voters, state.id])];\n    const index = Math.min(quorumValue({ ...membership, voters }, stored), to);",
  }),
  mutant("empty directory may vote", {
    file: "src/raft/directories.ts",
    find: 'if (message.kind === "DirectoryRefused" || state.directoryOf(from) === directory) return false;',
    replace: "if (directory !== -1) return false;",
  }),
  mutant("who has left campaigns", {
    file: "src/raft/state.ts",
    find: "if (this.isRemoved || this.isElsewhere) return false;",
    replace: "if (this.isRemoved) return true;",
  }),
  mutant("who has left is taken back", {
    file: "src/raft/membership_change.ts",
    find: 'if (retired.length > 0) return refuse("retired", retired);',
    replace: "",
  }),
];
