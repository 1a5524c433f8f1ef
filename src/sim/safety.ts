/**
 * What must hold of a whole group whatever happens (I1 to I8 and I11 of the rules): remembers every leader, entry, vote and commit
 * of a run and compares all that follows with them. Knows nothing of how the run is driven, and shares no code with
 * what it checks.
 */
import type {
  DirectoryNumber,
  Entry,
  EntryId,
  HardState,
  Index,
  Membership,
  Message,
  NodeId,
  Persist,
  RaftState,
  Term,
} from "../raft/mod.ts";
import { AppliedEntries } from "./applied_entries.ts";
import { Configurations } from "./configurations.ts";
import type { Durable } from "./disk.ts";
import { decides, halvesOf } from "./quorums.ts";
import { check } from "./violation.ts";

/** An entry that was committed, and the term of the leader that first said so. */
interface Committed {
  readonly term: Term;
  readonly byTerm: Term;
}

/** One leader for ever: its log when it took office is the beginning of its log until it leaves. */
interface Office {
  readonly leader: NodeId;
  readonly terms: readonly Term[];
}

/** What the disks of the machines hold for sure at this moment. */
export interface Disks {
  /** Of the disk that the machine runs on. */
  readonly durableOf: (id: NodeId) => Durable;
  /** Also of those that it has lost: nobody can have known of that before it spoke again. */
  readonly everHeld: (id: NodeId, entry: EntryId) => boolean;
}

export class Safety {
  readonly configurations: Configurations;
  private readonly offices = new Map<Term, Office>();
  /** Entries that were ever handed to a disk, by term and index in one number. */
  private readonly entries = new Map<number, { readonly lastTerm: Term; readonly checksum: number }>();
  private readonly votes = new Map<string, NodeId>();
  readonly applied = new AppliedEntries(() => this.commitIndex);
  /** `committed[i]` is entry i + 1. */
  private readonly committed: Committed[] = [];

  /** `founders` is what the cluster begins with. */
  constructor(
    founders: Membership,
    private readonly disks: Disks,
  ) {
    this.configurations = new Configurations(founders, {
      termBefore: (id) => this.entries.get(nameOf(id))?.lastTerm ?? 0,
      isCommitted: ({ index, term }) => this.committed[index - 1]?.term === term,
    });
  }

  /** How many terms had a leader. */
  get elections(): number {
    return this.offices.size;
  }

  /** The last index that any node ever knew to be committed. */
  get commitIndex(): Index {
    return this.committed.length;
  }

  /** I1 and I4: nobody else ever led this term, and all that was committed before is in the log of who leads now. */
  onLeader({ id, term, log }: Readonly<RaftState>): void {
    const office = this.offices.get(term);
    if (office !== undefined) {
      check(office.leader === id, "I1", () => `n${office.leader} and n${id} both led term ${term} (I1)`);
      return;
    }
    const terms: Term[] = [];
    for (let index = 1; index <= log.lastIndex; index++) {
      terms.push(index < log.firstIndex ? (this.committed[index - 1]?.term ?? 0) : log.termAt(index));
    }
    this.offices.set(term, { leader: id, terms });
    this.committed.forEach((entry, position) => {
      const holds = entry.byTerm >= term || terms[position] === entry.term;
      check(holds, "I4", () => `the leader of term ${term} lacks committed entry ${position + 1}@${entry.term} (I4)`);
    });
  }

  /** I2 and I3: a leader only appends; index and term name one entry, and one entry before it. `state` is of whoever writes. */
  onWrite(state: Readonly<RaftState>, write: Persist, lastTerm: Term): void {
    const cutsOwn = state.role.kind === "leader" && write.truncateFrom !== null;
    check(!cutsOwn, "I2", () => `the leader of term ${state.term} cut its log from ${write.truncateFrom} on (I2)`);
    let previous = lastTerm;
    for (const entry of write.entries) {
      this.onEntry(entry, previous);
      previous = entry.term;
    }
  }

  private onEntry(entry: Entry, lastTerm: Term): void {
    const { index, term, kind, checksum, payload } = entry;
    const known = this.entries.get(nameOf(entry));
    if (known === undefined) {
      this.entries.set(nameOf(entry), { lastTerm, checksum });
      if (kind === "membership") this.configurations.onWritten(entry, payload, lastTerm);
      return;
    }
    check(known.checksum === checksum, "I3", () => `entry ${index}@${term} has two contents (I3)`);
    check(known.lastTerm === lastTerm, "I3", () => `entry ${index}@${term} follows two logs (I3)`);
  }

  /**
   * I4 and I7: what is committed stays, and is on the disks of a quorum when the first node says so. Rule L2: a leader
   * commits by an entry of its own term. `seen` was the commit index before.
   */
  onCommit({ id, role, term: ownTerm, log }: Readonly<RaftState>, seen: Index): void {
    const byTerm = log.termAt(log.commitIndex);
    check(role.kind !== "leader" || byTerm === ownTerm, "L2", () => {
      return `n${id} leads term ${ownTerm} and committed ${log.commitIndex}@${byTerm} by counting (L2)`;
    });
    const isNews = log.commitIndex > this.committed.length;
    for (let index = Math.max(seen + 1, log.firstIndex); index <= log.commitIndex; index++) {
      const known = this.committed[index - 1];
      const term = log.termAt(index);
      check(
        known === undefined || known.term === term,
        "I4",
        () => `entries ${index}@${known?.term} and ${index}@${term} are committed (I4)`,
      );
      if (known !== undefined) continue;
      this.committed.push({ term, byTerm });
      this.configurations.onCommitted({ index, term });
    }
    if (isNews) this.assertDurable({ index: log.commitIndex, term: byTerm });
  }

  /** I7, from before it matters: what a leader counts as stored by another is on that disk (rules P2 and L11). */
  onLeading({ id, role, term, log }: Readonly<RaftState>): void {
    if (role.kind !== "leader") return;
    for (const [to, { matchIndex }] of role.progress) {
      const { hardState } = this.disks.durableOf(to);
      // Under a later leader it may have lost what this one counted, and what is compacted here is committed anyway.
      if (hardState.term > term || matchIndex < log.firstIndex) continue;
      const counted = { index: matchIndex, term: log.termAt(matchIndex) };
      check(this.disks.everHeld(to, counted), "I7", () => {
        return `n${id} counts ${matchIndex}@${counted.term} on n${to}, which does not have it (I7)`;
      });
    }
  }

  /** By the configuration that decides about this very entry, each half of it if there are two (rules L15 and M4). */
  private assertDurable({ index, term }: EntryId): void {
    const holds = (id: NodeId): boolean => this.disks.everHeld(id, { index, term });
    const membership = this.configurations.at(index);
    check(decides(membership, holds), "I7", () => {
      const counts = halvesOf(membership).map((half) => `${half.filter(holds).length} of ${half.length} disks`);
      return `${index}@${term} is committed and on ${counts.join(" and ")} (I7)`;
    });
  }

  /** The term of an entry that is known to be committed. */
  committedTerm(index: Index): Term {
    const entry = this.committed[index - 1];
    check(entry !== undefined, "S1", () => `entry ${index} is in a snapshot and was not committed (S1)`);
    return entry.term;
  }

  /**
   * I4 on a single disk: nothing that is committed is ever dropped from one, but for what a snapshot holds. Whoever was never
   * in the term of the leader that committed it has not been counted, and may follow an earlier leader whose log goes another
   * way until it hears of the later one.
   */
  onDropped(node: { readonly id: NodeId; readonly term: Term }, { index, term }: EntryId): void {
    const known = this.committed[index - 1];
    const isCommitted = known?.term === term && node.term >= known.byTerm;
    check(!isCommitted, "I4", () => `n${node.id} dropped the committed entry ${index}@${term} (I4)`);
  }

  /** I6: what is durable never goes back, not even in another life. Rule P3: no entry on disk before its term. */
  onDurable(
    { id, directory }: { readonly id: NodeId; readonly directory: DirectoryNumber },
    before: HardState,
    { hardState, terms }: Durable,
  ): void {
    const { term, vote } = hardState;
    check(term >= before.term, "I6", () => `the durable term of n${id} fell from ${before.term} to ${term} (I6)`);
    check(
      (terms.at(-1) ?? 0) <= term,
      "P3",
      () => `n${id} has an entry of term ${terms.at(-1)} and is in term ${term} (P3)`,
    );
    if (vote === null) return;
    const name = `${id} on ${directory}@${term}`;
    const known = this.votes.get(name);
    check(
      known === undefined || known === vote,
      "I6",
      () => `n${id} voted for n${known} and for n${vote} in term ${term} (I6)`,
    );
    this.votes.set(name, vote);
  }

  /** I6: a node begins its life with what its disk holds, nothing less and nothing else (rules P1 and P4). */
  onBoot({ id, term, vote, log }: Readonly<RaftState>): void {
    const { hardState, terms } = this.disks.durableOf(id);
    const same = term === hardState.term && vote === hardState.vote;
    check(
      same,
      "I6",
      () => `n${id} starts with vote ${vote} in term ${term}, its disk has ${hardState.vote} in ${hardState.term} (I6)`,
    );
    const sameLog = log.lastIndex === terms.length && log.last.term === (terms.at(-1) ?? 0);
    check(
      sameLog,
      "I6",
      () => `n${id} starts with a log to ${log.lastIndex}@${log.last.term}, its disk has another (I6)`,
    );
  }

  /** Rule M11: whoever knows that it has left asks nobody for a vote. `commitIndex` is how far it knows. */
  private checkCandidate(id: NodeId, commitIndex: Index): void {
    const hasLeft = this.configurations.at(commitIndex).retired.includes(id);
    check(!hasLeft, "M11", () => `n${id} wants to lead and knows that it has left (M11)`);
  }

  /** I8: what a message promises is on disk when it leaves. `commitIndex` is that of the sender. */
  onLeaving(message: Message, commitIndex: Index): void {
    const durable = this.disks.durableOf(message.from);
    const { term, vote } = durable.hardState;
    const promise = (kept: boolean, what: string): void => {
      check(
        kept,
        "I8",
        () => `n${message.from} sent ${message.kind} in term ${message.term} before ${what} was durable (I8)`,
      );
    };
    switch (message.kind) {
      case "RequestPreVote":
        this.checkCandidate(message.from, commitIndex);
        return;
      case "RequestPreVoteResponse":
        promise(message.granted || term >= message.term, "the term");
        return;
      case "RequestVoteResponse":
        promise(term >= message.term, "the term");
        promise(!message.granted || term > message.term || vote === message.to, "the vote");
        return;
      case "HeartbeatResponse":
        promise(term >= message.term, "the term");
        return;
      case "AppendEntriesResponse":
        promise(term >= message.term, "the term");
        if (message.outcome.kind !== "rejected")
          promise(this.holds(durable, message.term, message.outcome.matchIndex), `${message.outcome.matchIndex}`);
        return;
      case "RequestVote":
      case "AppendEntries":
      case "Heartbeat":
      case "ReadIndexResponse":
      case "TimeoutNow":
        promise(term > message.term || (term === message.term && vote === message.from), "its own vote");
        return;
      default: // the others promise nothing
    }
  }

  /** Whether entry `index` on this disk is that of the leader of `term`: what it found when it took office, then only its own. */
  private holds({ terms }: Durable, term: Term, index: Index): boolean {
    const office = this.offices.get(term);
    return index === 0 || (office !== undefined && terms[index - 1] === (office.terms[index - 1] ?? term));
  }
}

/** Term and index in one number. */
function nameOf({ index, term }: EntryId): number {
  return term * 2 ** 24 + index;
}
