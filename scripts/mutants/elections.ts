/** Bugs in elections: votes that are forgotten, given twice or too early, and leaders that should not be. */
import { mutant, type Mutant } from "./mutant.ts";

export const electionsMutants: readonly Mutant[] = [
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
  mutant(
    "candidate wins before its own vote is durable",
    {
      file: "src/raft/candidate.ts",
      find: 'state.role = { kind: "candidate", votes: new Map(), directories: new Map() };',
      replace: 'state.role = { kind: "candidate", votes: new Map([[state.id, true]]), directories: new Map() };',
    },
    {
      file: "src/raft/leader.ts",
      find: 'assert(state.hardStateDurable, "the vote for ourselves left before it was durable");',
      replace: "",
    },
  ),
  mutant(
    "pre-vote counted as a vote",
    {
      file: "src/raft/candidate.ts",
      find: 'state.role = { kind: "candidate", votes: new Map(), directories: new Map() };',
      replace:
        'state.role = { kind: "candidate", votes: state.role.kind === "preCandidate" ? state.role.votes : new Map(), directories: new Map() };',
    },
    {
      file: "src/raft/candidate.ts",
      find: "if (candidate.votes.has(state.id)) return;",
      replace: "",
    },
  ),
  mutant("isolated leader never steps down", {
    file: "src/raft/leader.ts",
    find: "if (isAlone || state.diskHangs) {",
    replace: "if (state.now < 0) {",
  }),
  mutant("nobody holds back for a live leader", {
    file: "src/raft/voting.ts",
    find: 'return role.kind === "leader" ? hasQuorumContact(state, role) : state.now < state.votesFrom;',
    replace: 'return role.kind === "leader" && !hasQuorumContact(state, role) && state.now < 0;',
  }),
  mutant("transfer goes on proposing", {
    file: "src/raft/leader.ts",
    find: 'if (leader.transfer !== null) return { ok: false, reason: "transferring", leader: state.id };',
    replace: "",
  }),
];
