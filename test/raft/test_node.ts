/** One core with its disk, carried out as the driver would, and checked after every input. Knows no other node. */
import { assert } from "../../src/lib/assert.ts";
import { seededRandom, type Random } from "../../src/lib/random.ts";
import { checkState, checkStep, Raft, snapshotOf } from "../../src/raft/mod.ts";
import type {
  ChunkOrder,
  Entry,
  Index,
  InstallSnapshot,
  Membership,
  Message,
  Millis,
  NodeId,
  Persist,
  RaftOptions,
  Ready,
  Snapshot,
  SnapshotInfo,
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
  /** Durable snapshots, by index. */
  readonly images = new Map<Index, Image>();
  /** How many of the next snapshots to arrive are found damaged at their end. */
  damagedInstalls = 0;
  /** What has arrived of the snapshot that is being received. */
  private arrived: Uint8Array[] = [];
  private storage = new MemoryStorage();
  private core: Raft | null = null;
  private before: Snapshot | null = null;
  private commitSeen: Index = 0;
  private readonly random: Random;
  private directory: number;

  constructor(private readonly options: TestNodeOptions) {
    this.directory = options.raft.directory;
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
    const { directory } = this;
    this.core = new Raft({ ...this.options.raft, directory }, restored, reader, this.random, now);
    this.before = snapshotOf(this.core.view);
    this.commitSeen = restored.snapshot.index;
    this.applied = [];
    this.turnOpen = false;
    if (restored.snapshot.index === 0) return;
    const image = this.images.get(restored.snapshot.index);
    assert(image !== undefined, "the snapshot that was recorded is not there (S3)");
    this.applied = this.entriesOf(image.bytes);
    this.core.snapshotRestored(image.info);
    this.before = snapshotOf(this.core.view);
  }

  /** Takes a snapshot of all that is applied, and compacts the log but for its last `kept` entries before that. */
  takeSnapshot(kept = 0): void {
    const { raft } = this;
    const last = this.applied.at(-1);
    assert(last !== undefined, "nothing is applied yet");
    const bytes = imageOf(this.applied);
    const { index, term } = last;
    const info = { index, term, membership: raft.view.log.memberships.at(index), bytes: bytes.length };
    this.images.set(index, { info, bytes });
    this.input((core) => core.snapshotTaken(info, Math.max(index - kept, core.view.log.compacted.index)));
  }

  private entriesOf(image: Uint8Array): Entry[] {
    const { applied } = this.options.safety;
    const entries = applied.slice(0, image.length / checksumDigits);
    assert(String(imageOf(entries)) === String(image), "a snapshot of what nobody applied (S7)");
    return entries;
  }

  /** Writes to the disk of a node that is down, as an earlier life would have. */
  preset(write: Pick<Persist, "hardState" | "entries">): void {
    assert(this.core === null, "only a node that is down can be given a past");
    const { group } = this.options.raft;
    this.storage.load(group, this.options.membership);
    const past: Persist = { group, seq: 1, truncateFrom: null, compaction: null, thenSend: [], ...write };
    this.storage.persist([past]);
    this.storage = this.storage.crash({ unconfirmed: 1 });
    this.durable = this.after(past);
  }

  /** The disk of a node that is down is replaced by an empty one. */
  wipe(): void {
    assert(this.core === null, "only the disk of a node that is down can be replaced");
    this.storage = new MemoryStorage();
    this.durable = { hardState: { term: 0, vote: null }, terms: [] };
    this.images.clear();
    this.directory++;
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

  private carryOut(raft: Raft, ready: Ready): void {
    const { messages, persist, committed, reads, softState } = ready;
    const { safety, observe } = this.options;
    if (softState !== null) observe({ kind: "role", id: this.id, softState });
    const { log } = raft.view;
    if (log.commitIndex > this.commitSeen) {
      safety.onCommit(raft.view, this.commitSeen, this.options.durableOf);
      this.commitSeen = log.commitIndex;
      observe({ kind: "commit", id: this.id, index: log.commitIndex });
    }
    if (persist !== null) {
      for (const entry of persist.entries) safety.onEntry(entry, log.termAt(entry.index - 1), raft.view);
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
    for (const order of ready.chunkOrders) this.sendChunk(order);
    for (const chunk of ready.chunks) this.keepChunk(raft, chunk);
    for (const { token, index } of reads) this.onRead(token, index);
  }

  private sendChunk({ message, length }: ChunkOrder): void {
    const image = this.images.get(message.snapshot.index);
    assert(image?.bytes.length === message.bytes, "a chunk of a snapshot that is not there");
    this.options.send({ ...message, chunk: image.bytes.slice(message.offset, message.offset + length) });
  }

  private keepChunk(raft: Raft, { snapshot, membership, bytes, offset, chunk }: InstallSnapshot): void {
    if (offset === 0) this.arrived = [];
    this.arrived.push(chunk);
    const image = Uint8Array.from(this.arrived.flatMap((part) => [...part]));
    assert(image.length === offset + chunk.length, "chunks with a gap (S5)");
    if (image.length < bytes || !raft.canInstall(snapshot)) return;
    if (this.damagedInstalls > 0) {
      this.damagedInstalls--;
      raft.refuseInstall(snapshot);
      return;
    }
    const info = { ...snapshot, membership, bytes };
    this.images.set(snapshot.index, { info, bytes: image });
    this.applied = this.entriesOf(image);
    raft.install(info);
    this.options.observe({ kind: "install", id: this.id, snapshot });
  }

  private onRead(token: number, index: Index | null): void {
    const read = this.reads.get(token);
    assert(read !== undefined && read.index === undefined, "a read was decided twice");
    if (index !== null) assert(index >= read.committedBefore, `read ${token} would miss a committed entry (I9)`);
    read.index = index;
    this.options.observe({ kind: "read", id: this.id, token, index });
  }

  private makeDurable(write: Persist): void {
    const durable = this.after(write);
    this.options.safety.onDurable(this.durable, durable);
    this.durable = durable;
  }

  /** What a write makes of what is durable. A snapshot holds committed entries, so their terms are known. */
  private after({ hardState, truncateFrom, compaction, entries }: Persist): Durable {
    const terms = this.durable.terms.slice(0, (truncateFrom ?? Infinity) - 1);
    for (let index = terms.length + 1; index <= (compaction?.compacted.index ?? 0); index++)
      terms.push(this.options.safety.committedTerm(index));
    return { hardState: hardState ?? this.durable.hardState, terms: [...terms, ...entries.map((entry) => entry.term)] };
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

/** A snapshot as it is kept: the checksums of all that was applied, in order. */
interface Image {
  readonly info: SnapshotInfo;
  readonly bytes: Uint8Array;
}

/** Each entry makes the image longer by this. */
const checksumDigits = 10;

function imageOf(applied: readonly Entry[]): Uint8Array {
  return new TextEncoder().encode(
    applied.map(({ checksum }) => String(checksum).padStart(checksumDigits, "0")).join(""),
  );
}
