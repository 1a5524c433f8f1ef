/**
 * One core alone with invented peers: for what a group of honest nodes would never send, or not at this moment. The core is
 * always node 1. Checks what holds of one node, not what holds of a group.
 */
import { assert } from "../../src/lib/assert.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { checkState, checkStep, newMembership, Raft, snapshotOf } from "../../src/raft/mod.ts";
import type {
  Entry,
  EntryId,
  HardState,
  Index,
  InstallSnapshot,
  LogReader,
  Membership,
  Message,
  Millis,
  NodeId,
  Persist,
  RaftOptions,
  ReadState,
  Snapshot,
  Term,
} from "../../src/raft/mod.ts";
import { pastEntry, testLimits } from "./harness.ts";

export interface SoloOptions {
  /** Of the core; 0 unless told. */
  readonly directory?: number;
  /** The configuration to start with, instead of what the next two say. */
  readonly membership?: Membership;
  /** Nodes 1 to `voters` vote; default 3. */
  readonly voters?: number;
  /** The core only learns; the voters are then 2 to `voters` + 1. */
  readonly learner?: boolean;
  /** The terms of the entries that it starts with, behind `compacted`. */
  readonly terms?: readonly Term[];
  readonly hardState?: HardState;
  readonly compacted?: EntryId;
  readonly boot?: number;
  /** Default true: each write is durable at once. */
  readonly autoDisk?: boolean;
  readonly limits?: Partial<Omit<RaftOptions, "id" | "group">>;
}

export class Solo {
  readonly raft: Raft;
  now: Millis = 0;
  /** What has left the core since {@link take}. */
  private sent: Message[] = [];
  readonly committed: Entry[] = [];
  /** Chunks of snapshots that the core wants kept. */
  readonly chunks: InstallSnapshot[] = [];
  readonly reads: ReadState[] = [];
  /** Writes that are not durable, oldest first. */
  readonly writes: Persist[] = [];
  /** How often the core asked for entries from disk. */
  diskReads = 0;
  private readonly stored: Entry[];
  private compacted: EntryId;
  private readonly autoDisk: boolean;
  private before: Snapshot;

  constructor(options: SoloOptions = {}) {
    const compacted = options.compacted ?? { index: 0, term: 0 };
    this.compacted = compacted;
    this.autoDisk = options.autoDisk ?? true;
    this.stored = (options.terms ?? []).map((term, position) =>
      pastEntry({ index: compacted.index + 1 + position, term }),
    );
    const ids = Array.from({ length: options.voters ?? 3 }, (_, position) => position + 1);
    const membership =
      options.membership ??
      (options.learner === true
        ? newMembership({ voters: ids.map((id) => id + 1), learners: [1] })
        : newMembership({ voters: ids }));
    const last = this.stored.at(-1) ?? compacted;
    const restored = {
      hardState: options.hardState ?? { term: last.term, vote: null },
      membership,
      memberships: this.stored.filter((entry) => entry.kind === "membership"),
      boot: options.boot ?? 1,
      compacted,
      snapshot: compacted,
      termRuns: this.stored.filter((entry, position) => entry.term !== this.stored[position - 1]?.term),
      lastIndex: last.index,
    };
    const reader: LogReader = {
      entries: ({ from, to }) => {
        this.diskReads++;
        return this.stored.slice(from - compacted.index - 1, to - compacted.index);
      },
    };
    this.raft = new Raft(
      { ...testLimits, ...options.limits, id: 1, group: 0, directory: options.directory ?? 0 },
      restored,
      reader,
      seededRandom(7),
      this.now,
    );
    if (compacted.index > 0) this.raft.snapshotRestored({ ...compacted, membership, bytes: 1000 });
    this.before = snapshotOf(this.raft.view);
  }

  /** The fields that a message from `peer` shares with all others. */
  from(
    peer: NodeId,
    term: Term,
    directory = 0,
  ): { group: number; from: NodeId; to: NodeId; term: Term; directory: number } {
    return { group: 0, from: peer, to: 1, term, directory };
  }

  /** One input and the turn that follows. */
  input<T>(act: (raft: Raft) => T): T {
    const result = act(this.raft);
    checkState(this.raft.view);
    checkStep(this.before, this.raft.view);
    this.before = snapshotOf(this.raft.view);
    const ready = this.raft.ready();
    if (ready === null) return result;
    this.sent.push(...ready.messages);
    this.committed.push(...ready.committed);
    this.reads.push(...ready.reads);
    this.chunks.push(...ready.chunks);
    if (ready.committed.length > 0) this.raft.applied(this.committed.length + this.compacted.index);
    if (ready.persist !== null) this.writes.push(ready.persist);
    if (this.autoDisk) this.complete();
    return result;
  }

  read(token: number, { lease }: { readonly lease: boolean } = { lease: false }): void {
    this.input((raft) => raft.requestRead({ token, lease }, this.now));
  }

  step(message: Message): void {
    this.input((raft) => raft.step(message, this.now));
  }

  /** Steps a message and returns what left because of it. */
  answers(message: Message): readonly Message[] {
    this.take();
    this.step(message);
    return this.take();
  }

  /** Lets `ms` pass and the core notice. */
  tick(ms: Millis): void {
    this.now += ms;
    this.input((raft) => raft.tick(this.now));
  }

  /** All writes under way become durable, and what waited for them leaves. */
  complete(): void {
    while (this.writes.length > 0) this.completeOne();
  }

  completeOne(): void {
    const write = this.writes.shift();
    assert(write !== undefined, "no write is under way");
    if (write.truncateFrom !== null) this.stored.length = write.truncateFrom - this.compacted.index - 1;
    if (write.compaction !== null) this.compact(write.compaction.compacted);
    this.stored.push(...write.entries);
    this.input((raft) => raft.persisted(write.seq));
    this.sent.push(...write.thenSend);
  }

  private compact(compacted: EntryId): void {
    this.stored.splice(0, compacted.index - this.compacted.index);
    this.compacted = compacted;
  }

  /** What has left the core since the last call. */
  take(): readonly Message[] {
    const sent = this.sent;
    this.sent = [];
    return sent;
  }

  /** Makes the core lead the term after its own, with the votes of all others. */
  lead(): void {
    this.tick(this.raft.deadline - this.now);
    const term = this.raft.view.term + 1;
    for (const peer of this.peers) {
      this.step({ kind: "RequestPreVoteResponse", ...this.from(peer, term), campaignTerm: term, granted: true });
    }
    this.complete();
    for (const peer of this.peers) this.step({ kind: "RequestVoteResponse", ...this.from(peer, term), granted: true });
    assert(this.raft.view.role.kind === "leader", "the core was not elected");
    this.take();
  }

  /** Everything that `peer` could acknowledge, acknowledged. */
  acknowledge(peer: NodeId, matchIndex: Index): void {
    const { role, term } = this.raft.view;
    assert(role.kind === "leader", "only a leader is acknowledged");
    const session = role.progress.get(peer)?.session ?? 0;
    this.step({
      kind: "AppendEntriesResponse",
      ...this.from(peer, term),
      session,
      boot: 1,
      outcome: { kind: "accepted", matchIndex },
    });
  }

  get terms(): readonly Term[] {
    const { log } = this.raft.view;
    return Array.from({ length: log.lastIndex - this.compacted.index }, (_, position) =>
      log.termAt(this.compacted.index + 1 + position),
    );
  }

  private get peers(): readonly NodeId[] {
    return this.raft.view.membership.voters.filter((id) => id !== 1);
  }
}

/** An AppendEntries of the leader `from` in `term`, with entries of the given terms behind `previous`. */
export function append(
  envelope: { group: number; from: NodeId; to: NodeId; term: Term; directory: number },
  { previous, terms = [], commitIndex = 0 }: { previous: EntryId; terms?: readonly Term[]; commitIndex?: Index },
): Message & { kind: "AppendEntries" } {
  const entries = terms.map((term, position) => pastEntry({ index: previous.index + 1 + position, term }));
  return { kind: "AppendEntries", ...envelope, previous, entries, commitIndex, session: 1 };
}
