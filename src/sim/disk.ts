/**
 * The disk of one machine: writes become durable in order and after a while, it can be slow, hang or fail, and a power cut
 * leaves a prefix of what was under way. Keeps a record of its own of what is durable, so that promises can be checked.
 */
import { assert } from "../lib/assert.ts";
import { ProaError } from "../lib/errors.ts";
import type { Random } from "../lib/random.ts";
import type {
  DirectoryNumber,
  EntryId,
  GroupId,
  HardState,
  Index,
  Millis,
  Persist,
  Restored,
  Term,
} from "../raft/mod.ts";
import { MemorySnapshots, MemoryStorage, type SnapshotStore, type Storage } from "../storage/mod.ts";
import { happens, waitMs } from "./chance.ts";
import { SnapshotDisk } from "./snapshot_disk.ts";
import type { Timeline } from "./timeline.ts";
import { check } from "./violation.ts";

/** What a power cut would leave for sure. */
export interface Durable {
  readonly hardState: HardState;
  /** Invariant: `terms[i]` is the term of entry i + 1, of which a snapshot may be all that is left. */
  readonly terms: readonly Term[];
}

/** Who is told what happens on the disk. */
export interface DiskWatcher {
  /** Before `write` is accepted; `lastTerm` is the term of the entry right before those of the write. */
  onWrite(write: Persist, lastTerm: Term): void;
  /** After a write was accepted. May throw to end the life of the node right there. */
  onWritten(): void;
  /** `durable` is what has just become of `before`. */
  onDurable(before: HardState, durable: Durable): void;
  /** An entry was cut off a disk whose durable term was `before`, and nothing on it stands for it. */
  onDropped(entry: EntryId, before: Term): void;
  /** The term of an entry that is committed, for a snapshot does not tell the terms of those that it stands for. */
  termAt(index: Index): Term;
}

export interface DiskOptions {
  readonly random: Random;
  readonly timeline: Timeline;
  readonly watcher: DiskWatcher;
  /** Carries out what the disk has to tell the node, once the machine is awake. */
  readonly wake: (tell: () => void) => void;
  /** The mean time that a write takes; 0: it is durable when `persist` returns. Milliseconds. */
  readonly writeMs: number;
}

export class SimDisk {
  /** What a data directory is numbered with when it is made. */
  readonly directoryNumber: DirectoryNumber;
  /** How many times longer a write takes now. */
  slowness = 1;
  /** How likely a write fails, and with it the node. */
  failure = 0;
  private readonly durableState: Positions = { hardState: { term: 0, vote: null }, terms: [] };
  /** What is durable, with all that is under way. */
  private accepted: Positions = copyOf(this.durableState);
  private readonly pending: (readonly Persist[])[] = [];
  private memory = new MemoryStorage();
  private snapshots = new MemorySnapshots();
  /** Completions that were planned for an earlier life do not count. */
  private life = 0;
  /** When the newest of the writes under way will be done. */
  private doneAt = 0;
  private hangs = false;
  private rotten = false;
  /** Writes whose time came while the disk hung. */
  private overdue = 0;

  constructor(private readonly options: DiskOptions) {
    this.directoryNumber = options.random.integer(1, 2 ** 31);
  }

  get durable(): Durable {
    return this.durableState;
  }

  /** Opens the disk for a new life of the node. */
  open(): Storage {
    const { memory } = this;
    const storage: Storage = {
      onPersisted: () => undefined,
      load: (group, bootstrap) => this.verified(memory.load(group, bootstrap)),
      reader: (group) => memory.reader(group),
      persist: (writes) => this.persist(writes),
      close: () => undefined,
    };
    memory.onPersisted = (group: GroupId, seq: number) => storage.onPersisted(group, seq);
    return storage;
  }

  /** Opens the snapshots for a new life of the node. Their writing may fail, too; what was committed is durable. */
  openSnapshots(): SnapshotStore {
    const { random, watcher } = this.options;
    return new SnapshotDisk(this.snapshots, () => {
      if (happens(random, this.failure)) throw new ProaError("DISK_FAILED", "Cannot write: input/output error");
      watcher.onWritten();
    });
  }

  /** Cuts the power: of the writes under way, a random number of the oldest reached the disk. */
  crash(): void {
    const unconfirmed = this.options.random.integer(0, this.pending.length);
    for (const writes of this.pending.splice(0, unconfirmed)) this.store(writes);
    this.pending.length = 0;
    this.memory = this.memory.crash({ unconfirmed });
    this.snapshots = this.snapshots.crash();
    this.accepted = copyOf(this.durableState);
    this.life++;
    this.doneAt = 0;
    this.overdue = 0;
    this.hangs = false;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.pending.length === 0;
  }

  /** How long it will be until all that is under way is done. */
  get backlogMs(): Millis {
    return this.isIdle ? 0 : Math.max(0, this.doneAt - this.options.timeline.now);
  }

  /** Whether a bit of what is stored here ever flipped: then the node stops for good once it reads that. */
  get isRotten(): boolean {
    return this.rotten;
  }

  /** Flips a bit of some entry that is durable, if there is one. */
  rot(random: Random): void {
    const { compacted, count } = this.memory.stored(0);
    if (count === 0) return;
    this.rotten = true;
    this.memory.damage(0, { index: compacted.index + random.integer(1, count), bit: random.integer(0, 31) });
  }

  /** From now on nothing becomes durable, until {@link release}. */
  hang(): void {
    this.hangs = true;
  }

  release(): void {
    this.hangs = false;
    const { overdue } = this;
    this.overdue = 0;
    for (let count = 0; count < overdue; count++) this.tell();
  }

  private persist(writes: readonly Persist[]): void {
    const { random, watcher, writeMs, timeline } = this.options;
    for (const write of writes) {
      const lastIndex = (write.truncateFrom ?? this.accepted.terms.length + 1) - 1;
      const start = write.compaction?.compacted ?? { index: 0, term: 0 };
      watcher.onWrite(write, start.index > lastIndex ? start.term : (this.accepted.terms[lastIndex - 1] ?? 0));
    }
    const fails = happens(random, this.failure);
    // A full disk takes nothing of the write; one that fails to sync it may have it all the same.
    if (fails && happens(random, 0.5)) throw new ProaError("DISK_FAILED", "Cannot write: no space left on the device");
    this.memory.persist(writes);
    for (const write of writes) this.change(this.accepted, write);
    this.pending.push(writes);
    if (fails) throw new ProaError("DISK_FAILED", "Cannot write: input/output error");
    watcher.onWritten();
    const { life } = this;
    const takesMs = writeMs * this.slowness;
    if (takesMs === 0 && !this.hangs && this.pending.length === 1) return this.completeNext();
    this.doneAt = Math.max(this.doneAt, timeline.now + (takesMs === 0 ? 0 : waitMs(random, takesMs)));
    timeline.at(this.doneAt, () => {
      if (this.life !== life) return;
      if (this.hangs) this.overdue++;
      else this.tell();
    });
  }

  /** The oldest write is done: it counts from when the machine is awake to hear of it. */
  private tell(): void {
    const { life } = this;
    this.options.wake(() => {
      if (this.life === life) this.completeNext();
    });
  }

  /** The oldest write becomes durable, and the node hears of it. */
  private completeNext(): void {
    const writes = this.pending.shift();
    assert(writes !== undefined, "a write was completed twice");
    this.store(writes);
    this.memory.completeOne();
  }

  private store(writes: readonly Persist[]): void {
    for (const write of writes) {
      const { watcher } = this.options;
      const { hardState, terms } = this.durableState;
      const cut = write.truncateFrom === null ? [] : terms.slice(write.truncateFrom - 1);
      this.change(this.durableState, write);
      watcher.onDurable(hardState, this.durableState);
      cut.forEach((term, position) => {
        const index = (write.truncateFrom ?? 0) + position;
        if (terms[index - 1] !== term) watcher.onDropped({ index, term }, hardState.term);
      });
    }
  }

  private change(positions: Positions, { hardState, truncateFrom, compaction, entries }: Persist): void {
    const { terms } = positions;
    positions.hardState = hardState ?? positions.hardState;
    if (truncateFrom !== null) terms.length = truncateFrom - 1;
    const start = compaction?.compacted.index ?? 0;
    while (terms.length < start) terms.push(this.options.watcher.termAt(terms.length + 1));
    for (const entry of entries) terms.push(entry.term);
  }

  /** What the store says after a restart must be what was durable before it. */
  private verified(restored: Restored): Restored {
    const { hardState, terms } = this.durableState;
    const same = restored.hardState.term === hardState.term && restored.hardState.vote === hardState.vote;
    check(same, "I6", () => `term ${hardState.term} became term ${restored.hardState.term} by a restart (I6)`);
    check(
      restored.lastIndex === terms.length,
      "I6",
      () => `${terms.length} entries became ${restored.lastIndex} by a restart (I6)`,
    );
    return restored;
  }
}

interface Positions {
  hardState: HardState;
  terms: Term[];
}

function copyOf({ hardState, terms }: Positions): Positions {
  return { hardState, terms: [...terms] };
}
