/**
 * The storage port in memory, for the simulator and for tests: a disk whose writes complete when they are told to, and
 * that loses the others when the power fails. Deterministic; keeps nothing beyond the process.
 */
import { assert } from "../lib/assert.ts";
import { entryChecksum } from "../lib/checksum.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import type {
  Entry,
  EntryId,
  GroupId,
  HardState,
  Index,
  LogReader,
  Membership,
  Persist,
  Restored,
  Term,
} from "../raft/mod.ts";
import { checkLog, damagedEntry, takeEntries } from "./log_reading.ts";
import type { Storage } from "./storage.ts";
import { assertBootstrap, positionAfter, type Position } from "./write_rules.ts";

/** What is durable of one group. Entries are shared with whoever wrote them: nobody changes them. */
interface DurableGroup {
  hardState: HardState;
  boot: number;
  /** That at `compacted`. */
  membership: Membership;
  compacted: EntryId;
  snapshot: EntryId;
  /** Invariant: `entries[i].index === compacted.index + 1 + i`. */
  entries: Entry[];
}

/** What was accepted for one group, durable or not: the next write is judged by it. */
interface AcceptedGroup {
  position: Position;
  /** Invariant: `terms[i]` is the term of the entry i + 1 behind the compacted one. */
  terms: Term[];
}

/** Where a log begins that was never compacted. */
const start: EntryId = { index: 0, term: 0 };
const checksumBytes = 4;

export class MemoryStorage implements Storage {
  onPersisted: (group: GroupId, seq: number) => void = () => undefined;
  private readonly autoComplete: boolean;
  private readonly durable = new Map<GroupId, DurableGroup>();
  private readonly accepted = new Map<GroupId, AcceptedGroup>();
  /** Calls of `persist` that are not durable, oldest first. */
  private readonly pending = new RingQueue<readonly Persist[]>();
  private confirming = false;
  private usable = true;

  /** With `autoComplete` a write is durable when `persist` returns; without, once {@link completeOne} came to it. */
  constructor(options: { readonly autoComplete?: boolean } = {}) {
    this.autoComplete = options.autoComplete ?? false;
  }

  /** Calls of `persist` that {@link completeOne} has not come to. */
  get pendingCount(): number {
    return this.pending.length;
  }

  load(group: GroupId, bootstrap: Membership): Restored {
    assert(this.usable, "this storage is closed or lost its power");
    assert(!this.accepted.has(group), "a group is loaded once");
    assertBootstrap(bootstrap);
    const disk = this.durable.get(group) ?? {
      hardState: { term: 0, vote: null },
      boot: 0,
      membership: bootstrap,
      compacted: start,
      snapshot: start,
      entries: [],
    };
    this.durable.set(group, disk);
    disk.boot++;
    const { hardState, membership, boot, compacted, snapshot, entries } = disk;
    const { last, termRuns, memberships } = checkLog({ group, compacted, hardState }, verified(group, entries));
    this.accepted.set(group, {
      position: { seq: 0, hardState, last, compacted, snapshot },
      terms: entries.map((entry) => entry.term),
    });
    return { hardState, membership, memberships, boot, compacted, snapshot, termRuns, lastIndex: last.index };
  }

  reader(group: GroupId): LogReader {
    this.acceptedGroup(group);
    return { entries: (range) => this.read(group, range) };
  }

  persist(writes: readonly Persist[]): void {
    assert(this.usable, "this storage is closed or lost its power");
    assert(!this.confirming, "persist must not be called while writes are confirmed");
    for (const write of writes) {
      const group = this.acceptedGroup(write.group);
      const { compacted } = group.position;
      group.position = positionAfter(group.position, write, (index) => termAt(group, index));
      if (write.truncateFrom !== null) group.terms.length = write.truncateFrom - compacted.index - 1;
      group.terms = group.terms.slice(group.position.compacted.index - compacted.index);
      for (const entry of write.entries) group.terms.push(entry.term);
    }
    this.pending.push(writes);
    if (this.autoComplete) this.completeAll();
  }

  /** Makes the oldest pending call of `persist` durable and confirms its writes. Does nothing if there is none. */
  completeOne(): void {
    assert(this.usable, "this storage is closed or lost its power");
    const writes = this.pending.shift();
    if (writes === undefined) return;
    this.store(writes);
    this.confirming = true;
    for (const { group, seq } of writes) this.onPersisted(group, seq);
    this.confirming = false;
  }

  completeAll(): void {
    while (this.pending.length > 0) this.completeOne();
  }

  /**
   * Cuts the power: this storage is dead, and what was durable comes back as another one. The oldest `unconfirmed`
   * pending calls (0 unless told) reached the disk although nobody will ever hear of it.
   */
  crash(options: { readonly unconfirmed?: number } = {}): MemoryStorage {
    assert(this.usable, "this storage is closed or lost its power");
    for (let i = 0; i < (options.unconfirmed ?? 0); i++) this.store(this.pending.at(i));
    this.usable = false;
    const restarted = new MemoryStorage({ autoComplete: this.autoComplete });
    for (const [group, disk] of this.durable) restarted.durable.set(group, disk);
    return restarted;
  }

  /** The entries of `group` that are durable: how many, and the one before the first. */
  stored(group: GroupId): { readonly compacted: EntryId; readonly count: number } {
    const { entries, compacted } = this.durable.get(group) ?? { entries: [], compacted: start };
    return { compacted, count: entries.length };
  }

  /** Flips bit `bit` of what is stored of entry `index`, its checksum in front: as a disk rots, unnoticed until it is read. */
  damage(group: GroupId, { index, bit }: { readonly index: Index; readonly bit: number }): void {
    const { entries, compacted } = this.durable.get(group) ?? { entries: [], compacted: start };
    const position = index - compacted.index - 1;
    const entry = entries[position];
    assert(entry !== undefined, "only what is stored can be damaged");
    const { checksum, payload } = entry;
    const byte = Math.floor(bit / 8) - checksumBytes;
    assert(byte < payload.length, "no such bit in this entry");
    const flip = 1 << (bit % 8);
    entries[position] =
      byte < 0
        ? { ...entry, checksum: (checksum ^ (flip << (8 * (-1 - byte)))) >>> 0 }
        : { ...entry, payload: payload.map((value, at) => (at === byte ? value ^ flip : value)) };
  }

  close(): void {
    this.usable = false;
  }

  private store(writes: readonly Persist[]): void {
    for (const { group, hardState, truncateFrom, compaction, entries } of writes) {
      const disk = this.durable.get(group);
      assert(disk !== undefined, "a group must be loaded before it is used");
      disk.hardState = hardState ?? disk.hardState;
      if (truncateFrom !== null) disk.entries.length = truncateFrom - disk.compacted.index - 1;
      if (compaction !== null) {
        disk.entries = disk.entries.slice(compaction.compacted.index - disk.compacted.index);
        Object.assign(disk, compaction);
      }
      disk.entries.push(...entries);
    }
  }

  private read(
    group: GroupId,
    range: { readonly from: Index; readonly to: Index; readonly bytesMax: number },
  ): readonly Entry[] {
    assert(this.usable, "this storage is closed or lost its power");
    const { entries, compacted } = this.durable.get(group) ?? { entries: [], compacted: start };
    const { from, to, bytesMax } = range;
    const first = compacted.index + 1;
    assert(from >= first && from <= to && to < first + entries.length, "entries outside the durable log");
    const taken = takeEntries(verified(group, entries.slice(from - first, to - first + 1)), bytesMax);
    return taken.map((entry) => ({ ...entry, payload: entry.payload.slice() }));
  }

  private acceptedGroup(group: GroupId): AcceptedGroup {
    const accepted = this.accepted.get(group);
    assert(accepted !== undefined, "a group must be loaded before it is used");
    return accepted;
  }
}

function termAt(group: AcceptedGroup, index: Index): Term {
  const term = group.terms[index - group.position.compacted.index - 1];
  assert(term !== undefined, "term of an entry outside the log");
  return term;
}

/** Payloads are shared, so a bug elsewhere could have changed one: it is found here, as damage on a disk would be. */
function* verified(group: GroupId, entries: Iterable<Entry>): Iterable<Entry> {
  for (const entry of entries) {
    if (entryChecksum(entry) !== entry.checksum) throw damagedEntry(group, entry.index, "checksum mismatch");
    yield entry;
  }
}
