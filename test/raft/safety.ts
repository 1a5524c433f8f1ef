/**
 * What must hold of a whole group whatever happens (I1, I3 to I8 of the rules): remembers every leader, entry and commit
 * of a run and compares all that follows with them. Knows nothing of how the run is driven.
 */
import { assert } from "../../src/lib/assert.ts";
import { membersOf } from "../../src/raft/mod.ts";
import type { Entry, HardState, Index, Membership, Message, NodeId, RaftState, Term } from "../../src/raft/mod.ts";
import { membershipCodec } from "../../src/wire/mod.ts";

/** What a power cut would leave of a node right now. */
export interface Durable {
  readonly hardState: HardState;
  /** `terms[i]` is the term of entry i + 1. */
  readonly terms: readonly Term[];
}

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

export class Safety {
  private readonly offices = new Map<Term, Office>();
  private readonly entries = new Map<string, { readonly previousTerm: Term; readonly checksum: number }>();
  /** `applied[i]` is entry i + 1, as the first node applied it. */
  readonly applied: Entry[] = [];
  /** `committed[i]` is entry i + 1. */
  readonly committed: Committed[] = [];

  /** The last index that any node ever knew to be committed. */
  get commitIndex(): Index {
    return this.committed.length;
  }

  /** I1 and I4: nobody else ever led this term, and all that was committed before is in the log of who leads now. */
  onLeader(state: Readonly<RaftState>): void {
    const office = this.offices.get(state.term);
    if (office !== undefined) {
      assert(office.leader === state.id, `n${office.leader} and n${state.id} both led term ${state.term} (I1)`);
      return;
    }
    const terms = this.termsOf(state);
    this.offices.set(state.term, { leader: state.id, terms });
    for (const [position, { term, byTerm }] of this.committed.entries()) {
      if (byTerm >= state.term) continue;
      assert(terms[position] === term, `the leader of term ${state.term} lacks committed entry ${position + 1} (I4)`);
    }
  }

  /** I3: index and term name one entry, and one entry before it. */
  onEntry(entry: Entry, previousTerm: Term, state: Readonly<RaftState> | null = null): void {
    const name = `${entry.index}@${entry.term}`;
    if (entry.kind === "membership" && state !== null) {
      const next = membershipCodec.decode(entry.payload);
      const before = state.log.memberships.at(entry.index - 1);
      assert(before.voters.length === 0 || alwaysMeet(next, before), `${name} could decide without its elders (I11)`);
    }
    const known = this.entries.get(name);
    if (known === undefined) {
      this.entries.set(name, { previousTerm, checksum: entry.checksum });
      return;
    }
    assert(known.checksum === entry.checksum, `entry ${name} has two contents (I3)`);
    assert(known.previousTerm === previousTerm, `entry ${name} follows two logs (I3)`);
  }

  /** I7 where a leader commits; a follower only repeats what a leader decided (I4). `seen` was the commit index before. */
  onCommit(state: Readonly<RaftState>, seen: Index, durableOf: (id: NodeId) => Durable): void {
    const { log } = state;
    const leads = state.role.kind === "leader";
    for (let index = Math.max(seen + 1, log.firstIndex); index <= log.commitIndex; index++) {
      const known = this.committed[index - 1];
      const term = log.termAt(index);
      if (known !== undefined) assert(known.term === term, `two entries ${index} are committed (I4)`);
      else if (leads) this.committed.push({ term, byTerm: state.term });
      else assert(false, `n${state.id} follows and committed ${index}@${term} before any leader did (I4)`);
    }
    if (!leads || log.commitIndex === seen) return;
    const index = log.commitIndex;
    const membership = log.memberships.at(index);
    const copies = membersOf(membership).filter((id) => durableOf(id).terms[index - 1] === log.termAt(index));
    assert(decides(membership, copies), `${index}@${log.termAt(index)} is committed on ${copies.join()} (I7)`);
  }

  /** I5: every node applies the same entries in the same order, without a gap. `previous` is the last one applied in this life. */
  onApplied(entry: Entry, previous: Index): void {
    assert(entry.index === previous + 1, "an entry was skipped or applied twice (I5)");
    assert(entry.index <= this.commitIndex, "applied before it was committed (I5)");
    const known = this.applied[entry.index - 1];
    if (known === undefined) this.applied[entry.index - 1] = entry;
    else assert(known.checksum === entry.checksum, `two nodes applied different entries ${entry.index} (I5)`);
  }

  /** I6, and no entry on disk before its term (rule P3). */
  onDurable(before: Durable, after: Durable): void {
    assert(after.hardState.term >= before.hardState.term, "the durable term fell (I6)");
    const sameTerm = after.hardState.term === before.hardState.term;
    const voted = before.hardState.vote !== null;
    if (sameTerm && voted) assert(after.hardState.vote === before.hardState.vote, "the durable vote changed (I6)");
    assert((after.terms.at(-1) ?? 0) <= after.hardState.term, "an entry is durable before its term (P3)");
  }

  /** I8: what a message promises is on disk when it leaves. */
  onLeaving(message: Message, durable: Durable): void {
    const { term, vote } = durable.hardState;
    const later = term > message.term;
    switch (message.kind) {
      case "RequestVote":
        assert(
          later || (term === message.term && vote === message.from),
          "asked for votes before its own was durable (I8)",
        );
        return;
      case "RequestVoteResponse":
        assert(term >= message.term, "answered a candidate before the term was durable (I8)");
        if (message.granted) assert(later || vote === message.to, "granted a vote before it was durable (I8)");
        return;
      case "HeartbeatResponse":
        assert(term >= message.term, "answered a leader before the term was durable (I8)");
        return;
      case "AppendEntriesResponse": {
        assert(term >= message.term, "answered an append before the term was durable (I8)");
        if (message.outcome.kind === "rejected") return;
        const { matchIndex } = message.outcome;
        if (matchIndex === 0) return;
        const promised = this.termInOffice(message.term, matchIndex);
        assert(
          durable.terms[matchIndex - 1] === promised,
          `acknowledged ${matchIndex}@${promised} before it was durable (I8)`,
        );
        return;
      }
      default:
    }
  }

  /** The terms of all entries, from entry 1 on: those that are compacted were committed. */
  private termsOf({ log }: Readonly<RaftState>): readonly Term[] {
    return Array.from({ length: log.lastIndex }, (_, position) => {
      const index = position + 1;
      return index < log.firstIndex ? this.committedTerm(index) : log.termAt(index);
    });
  }

  /** The term of the committed entry `index`. */
  committedTerm(index: Index): Term {
    const committed = this.committed[index - 1];
    assert(committed !== undefined, `entry ${index} was not committed by anybody`);
    return committed.term;
  }

  /** The term of entry `index` in the log of the leader of `term`: what it found, then only its own. */
  private termInOffice(term: Term, index: Index): Term {
    const office = this.offices.get(term);
    assert(office !== undefined, `nobody ever led term ${term}`);
    return office.terms[index - 1] ?? term;
  }
}

/** Whether `ids` are a majority of each half that there is. Shares no code with the core. */
function decides({ voters, outgoing }: Membership, ids: readonly NodeId[]): boolean {
  return [voters, outgoing].every(
    (half) => half.length === 0 || 2 * half.filter((id) => ids.includes(id)).length > half.length,
  );
}

/** Whether no set of nodes decides by `a` while all the others decide by `b`. */
function alwaysMeet(a: Membership, b: Membership): boolean {
  const everybody = [...new Set([...membersOf(a), ...membersOf(b)])];
  for (let bits = 0; bits < 2 ** everybody.length; bits++) {
    const some = everybody.filter((_, position) => (bits >> position) % 2 === 1);
    const others = everybody.filter((_, position) => (bits >> position) % 2 === 0);
    if (decides(a, some) && decides(b, others)) return false;
  }
  return true;
}

/** The terms of all entries that the log holds. */
export function termsOf({ log }: Readonly<RaftState>): readonly Term[] {
  return Array.from({ length: log.lastIndex + 1 - log.firstIndex }, (_, position) =>
    log.termAt(log.firstIndex + position),
  );
}
