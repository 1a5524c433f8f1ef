/**
 * Every configuration of a run, from the entries that reach a disk and those that are committed: which one is in force where,
 * and which others may come to be. Checks that any two of them share a voter in all their quorums (I11).
 */
import { assert } from "../lib/assert.ts";
import {
  type EntryId,
  type Index,
  type Membership,
  membersOf,
  type NodeId,
  type RaftState,
  type Term,
} from "../raft/mod.ts";
import { membershipCodec } from "../wire/mod.ts";
import { quorumsMeet } from "./quorums.ts";
import { check } from "./violation.ts";

/** A configuration and the entry with which it came; index 0 for the one that a cluster is founded with. */
export interface Configured extends EntryId {
  readonly membership: Membership;
}

/** What is known of all logs together. */
export interface LogBook {
  /** The term of the entry right before `id`, which was handed to a disk at some time. */
  readonly termBefore: (id: EntryId) => Term;
  readonly isCommitted: (id: EntryId) => boolean;
}

export class Configurations {
  /** All that were ever handed to a disk and changed the members, by their entries. */
  private readonly known = new Map<string, Configured>();
  /** All that were ever handed to a disk, those included that only bind members to their directories. */
  private readonly written = new Map<string, Membership>();
  /** By member, the committed entry that binds it to its directory. */
  private readonly bindings = new Map<NodeId, EntryId>();
  /** Invariant: indexes rise; all but the last are of the past. */
  private readonly committed: Configured[];
  /** Those that follow the committed one in some log: each may still be committed. */
  private pending: Configured[] = [];

  constructor(
    founders: Membership,
    private readonly logs: LogBook,
  ) {
    this.committed = [{ index: 0, term: 0, membership: founders }];
  }

  /** The last one that is committed. */
  get current(): Configured {
    const current = this.committed.at(-1);
    assert(current !== undefined, "a cluster is founded with a configuration");
    return current;
  }

  /** How many came to be committed. */
  get changes(): number {
    return this.committed.length - 1;
  }

  /** All by which an entry may still be committed or a leader elected. */
  get inForce(): readonly Membership[] {
    return [this.current, ...this.pending].map(({ membership }) => membership);
  }

  /** The one that decides about entry `index`, which must be committed. */
  at(index: Index): Membership {
    const configured = this.committed.findLast((one) => one.index <= index);
    assert(configured !== undefined, "a cluster is founded with a configuration");
    return configured.membership;
  }

  /** Whether one with exactly these members was ever committed. */
  wasCommitted(membership: Membership): boolean {
    const text = membersText(membership);
    return this.committed.some((one) => membersText(one.membership) === text);
  }

  /**
   * I11: a leader begins a change only where the last one is committed, and whoever is needed for it is needed by all that may
   * be in force. Rule P13: nobody who has left comes back. `lastTerm` is the term of the entry before.
   */
  onWritten(id: EntryId, payload: Uint8Array, lastTerm: Term): void {
    const membership = membershipCodec.decode(payload);
    const configured = { index: id.index, term: id.term, membership };
    this.written.set(nameOf(id), membership);
    const before = this.before({ index: id.index - 1, term: lastTerm });
    if (membersText(membership) === membersText(before.membership)) return; // it binds some to their directories, and changes no quorum
    check(this.committed.includes(before), "I11", () => {
      return `${nameOf(id)} changes the members, and so does ${nameOf(before)}, which is not committed (I11)`;
    });
    const back = membersOf(membership).filter((member) => before.membership.retired.includes(member));
    check(back.length === 0, "P13", () => `${nameOf(id)} takes n${back.join(", n")} back (P13)`);
    this.known.set(nameOf(id), configured);
    if (before !== this.current) return; // by a leader that lost its office long ago: nobody else will follow it
    for (const other of [this.current, ...this.pending]) {
      check(quorumsMeet(membership, other.membership), "I11", () => {
        return `${nameOf(id)} and ${nameOf(other)} can be in force at a time and have quorums that do not meet (I11)`;
      });
    }
    this.pending.push(configured);
  }

  /** The committed entry that binds `id` to its directory, if there is one (rule P13). */
  bindingOf(id: NodeId): EntryId | null {
    return this.bindings.get(id) ?? null;
  }

  onCommitted(id: EntryId): void {
    for (const bound of this.written.get(nameOf(id))?.directories ?? [])
      if (!this.bindings.has(bound.id)) this.bindings.set(bound.id, id);
    const configured = this.known.get(nameOf(id));
    if (configured === undefined) return;
    this.committed.push(configured);
    this.pending = [];
  }

  /** Rules M1 and M12: a node lives by the newest configuration in its log, committed or not, or by that of its snapshot. */
  checkActing({ id, membership, log }: Readonly<RaftState>): void {
    const configured = this.before(log.last);
    // Who joins knows nobody before its log has come to a configuration: the first one is in no entry.
    if (configured.index === 0 && membership.voters.length === 0) return;
    check(membersText(membership) === membersText(configured.membership), "M1", () => {
      return `n${id} lives by other members than ${nameOf(configured)}, the last configuration before ${nameOf(log.last)} in its log (M1)`;
    });
  }

  /** The last configuration at or before `id`, in a log that leads to it. */
  private before(id: EntryId): Configured {
    let at = id;
    while (at.index > 0 && !this.logs.isCommitted(at)) {
      const configured = this.known.get(nameOf(at));
      if (configured !== undefined) return configured;
      at = { index: at.index - 1, term: this.logs.termBefore(at) };
    }
    const configured = this.committed.findLast((one) => one.index <= at.index);
    assert(configured !== undefined, "a cluster is founded with a configuration");
    return configured;
  }
}

/** Equal for configurations that differ in nothing but the directories of their members. */
function membersText(membership: Membership): string {
  const { voters, outgoing, learners, learnersNext, retired, servers } = membership;
  return JSON.stringify([voters, outgoing, learners, learnersNext, retired, servers]);
}

function nameOf({ index, term }: EntryId): string {
  return `${index}@${term}`;
}
