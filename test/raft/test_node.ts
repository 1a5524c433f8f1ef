/** One core with its disk, carried out as the driver would, and checked after every input. Knows no other node. */
import { assert } from "../../src/lib/assert.ts";
import { seededRandom, type Random } from "../../src/lib/random.ts";
import { checkState, checkStep, Raft, snapshotOf } from "../../src/raft/mod.ts";
import type {
  Entry,
  Index,
  Membership,
  Message,
  Millis,
  NodeId,
  Persist,
  RaftOptions,
  Ready,
  Snapshot,
} from "../../src/raft/mod.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Durable, Safety } from "./safety.ts";
import type { Event } from "./trace.ts";

/** A read that was asked for: its answer must cover all that was committed before. */
interface AskedRead {
  readonly committedBefore: Index;
  /** Undefined until decided; null when it was given up. */
  index: Index | null | undefined;
}

/** What a node is made of, and whom it tells what. */
export interface TestNodeOptions {
  readonly raft: RaftOptions;
  readonly membership: Membership;
  readonly safety: Safety;
  readonly seed: number;
  readonly durableOf: (id: NodeId) => Durable;
  readonly send: (message: Message) => void;
  readonly observe: (event: Event) => void;
}

export class TestNode {
  /** Whether each write is durable at once; otherwise {@link complete} says when. */
  autoDisk = true;
  /** While set, inputs pile up in one turn: nothing leaves the core until {@link endTurn}. */
  turnOpen = false;
  durable: Durable = { hardState: { term: 0, vote: null }, terms: [] };
  /** Handed to storage and not confirmed, oldest first. */
  readonly writes: Persist[] = [];
  /** What this life of the node has applied. */
  applied: Entry[] = [];
  readonly reads = new Map<number, AskedRead>();
  private storage = new MemoryStorage();
  private core: Raft | null = null;
  private before: Snapshot | null = null;
  private commitSeen: Index = 0;
  private readonly random: Random;

  constructor(private readonly options: TestNodeOptions) {
    this.random = seededRandom(options.seed);
  }

  get id(): NodeId {
    return this.options.raft.id;
  }

  get up(): boolean {
    return this.core !== null;
  }

  get raft(): Raft {
    assert(this.core !== null, `n${this.id} is down`);
    return this.core;
  }

  /** Opens the disk and begins a new life. */
  start(now: Millis): void {
    assert(this.core === null, "a node starts once a life");
    const restored = this.storage.load(this.options.raft.group, this.options.membership);
    const reader = this.storage.reader(this.options.raft.group);
    this.core = new Raft(this.options.raft, restored, reader, this.random, now);
    this.before = snapshotOf(this.core.view);
    this.commitSeen = 0;
    this.applied = [];
    this.turnOpen = false;
  }

  /** Writes to the disk of a node that is down, as an earlier life would have. */
  preset(write: Pick<Persist, "hardState" | "entries">): void {
    assert(this.core === null, "only a node that is down can be given a past");
    const { group } = this.options.raft;
    this.storage.load(group, this.options.membership);
    const past: Persist = { group, seq: 1, truncateFrom: null, thenSend: [], ...write };
    this.storage.persist([past]);
    this.storage = this.storage.crash({ unconfirmed: 1 });
    this.durable = after(this.durable, past);
  }

  /** Cuts the power: of the writes under way, the oldest `unconfirmed` reached the disk. */
  crash(unconfirmed = 0): void {
    for (const write of this.writes.slice(0, unconfirmed)) this.makeDurable(write);
    this.writes.length = 0;
    this.storage = this.storage.crash({ unconfirmed });
    this.core = null;
    for (const [token, read] of this.reads) if (read.index === undefined) this.reads.delete(token);
  }

  /** One input, checked; then the turn ends, unless it is held open. */
  input<T>(act: (raft: Raft) => T): T {
    const { raft } = this;
    const result = act(raft);
    this.check(raft);
    if (!this.turnOpen) this.endTurn();
    return result;
  }

  /** Carries out what the core wants, as the driver does once a turn. */
  endTurn(): void {
    this.turnOpen = false;
    const { raft } = this;
    do {
      const ready = raft.ready();
      this.check(raft);
      if (ready !== null) this.carryOut(raft, ready);
    } while (raft.hasMore);
    assert(raft.ready() === null, "the core had more to say without a new input");
    if (this.autoDisk) this.complete(this.writes.length);
  }

  /** The oldest `count` writes become durable, confirmed at once; then what waited for them leaves. */
  complete(count: number): void {
    if (count === 0) return;
    const done = this.writes.splice(0, count);
    const last = done.at(-1);
    assert(last !== undefined && done.length === count, "there are not so many writes under way");
    for (const write of done) {
      this.storage.completeOne();
      this.makeDurable(write);
      for (const message of write.thenSend) this.options.safety.onLeaving(message, this.durable);
      if (!this.autoDisk) this.options.observe({ kind: "durable", id: this.id, seq: write.seq });
    }
    this.input((raft) => raft.persisted(last.seq));
    for (const message of done.flatMap((write) => write.thenSend)) this.options.send(message);
  }

  private carryOut(raft: Raft, { messages, persist, committed, reads, softState }: Ready): void {
    const { safety, observe } = this.options;
    if (softState !== null) observe({ kind: "role", id: this.id, softState });
    const { log } = raft.view;
    if (log.commitIndex > this.commitSeen) {
      safety.onCommit(raft.view, this.commitSeen, this.options.durableOf);
      this.commitSeen = log.commitIndex;
      observe({ kind: "commit", id: this.id, index: log.commitIndex });
    }
    if (persist !== null) {
      for (const entry of persist.entries) safety.onEntry(entry, log.termAt(entry.index - 1));
      this.writes.push(persist);
      this.storage.persist([persist]);
      observe({ kind: "write", id: this.id, write: persist });
    }
    for (const message of messages) {
      safety.onLeaving(message, this.durable);
      this.options.send(message);
    }
    for (const entry of committed) {
      safety.onApplied(entry, this.applied.length);
      this.applied.push(entry);
    }
    if (committed.length > 0) raft.applied(this.applied.length);
    for (const { token, index } of reads) this.onRead(token, index);
  }

  private onRead(token: number, index: Index | null): void {
    const read = this.reads.get(token);
    assert(read !== undefined && read.index === undefined, "a read was decided twice");
    if (index !== null) assert(index >= read.committedBefore, `read ${token} would miss a committed entry (I9)`);
    read.index = index;
    this.options.observe({ kind: "read", id: this.id, token, index });
  }

  private makeDurable(write: Persist): void {
    const durable = after(this.durable, write);
    this.options.safety.onDurable(this.durable, durable);
    this.durable = durable;
  }

  private check(raft: Raft): void {
    const { view } = raft;
    checkState(view);
    if (this.before !== null) checkStep(this.before, view);
    this.before = snapshotOf(view);
    if (view.role.kind !== "leader") return;
    this.options.safety.onLeader(view);
    if (view.log.commitIndex === this.commitSeen) return;
    this.options.safety.onCommit(view, this.commitSeen, this.options.durableOf); // at the very moment (I7)
    this.commitSeen = view.log.commitIndex;
    this.options.observe({ kind: "commit", id: this.id, index: this.commitSeen });
  }
}

function after({ hardState, terms }: Durable, write: Persist): Durable {
  const kept = write.truncateFrom === null ? terms : terms.slice(0, write.truncateFrom - 1);
  const added = write.entries.map((entry) => entry.term);
  return { hardState: write.hardState ?? hardState, terms: added.length === 0 ? kept : [...kept, ...added] };
}
