/**
 * The snapshots of one group: takes them of the state machine while entries go on being applied, keeps those that arrive, reads
 * out those that are sent. Does a bounded piece of work a turn, and decides nothing that the core has to.
 */
import { assert } from "../lib/assert.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import type { ImageSink, ImageSource, StateMachine } from "../kv/mod.ts";
import type {
  ChunkOrder,
  Entry,
  EntryId,
  GroupId,
  Index,
  InstallSnapshot,
  Persist,
  Raft,
  SnapshotInfo,
} from "../raft/mod.ts";
import { snapshotName, type SnapshotMeta, type SnapshotStore, type SnapshotWriter } from "../storage/snapshots.ts";
import type { NodeLimits } from "./options.ts";
import { SnapshotReaders } from "./snapshot_readers.ts";
import { type Stretch, Trail } from "./trail.ts";

export interface SnapshotterPorts {
  readonly store: SnapshotStore;
  readonly machine: StateMachine;
  readonly random: Random;
  readonly logger: Logger;
}

/** A snapshot that is being written, from the state machine. */
interface Taking {
  readonly meta: SnapshotMeta;
  readonly writer: SnapshotWriter;
  readonly image: ImageSource;
  /** What it holds of the log that the last one does not. */
  readonly covered: Stretch;
}

/** A snapshot that is being written, from the network. Until its end nothing of it counts. */
interface Receiving {
  readonly meta: SnapshotMeta;
  readonly writer: SnapshotWriter;
  readonly sink: ImageSink;
}

/** How many times the usual trailing part stays in the log for followers that answer and are behind. */
const patience = 4;

export class Snapshotter {
  private readonly readers: SnapshotReaders;
  private taking: Taking | null = null;
  private receiving: Receiving | null = null;
  private trail: Trail;
  /** What was applied behind the newest snapshot. */
  private behind: Stretch = { entries: 0, bytes: 0 };
  /** Up to where the log reached when the node began. Until that is applied it serves nobody, and should lose no time; null before it is known. */
  private replayEnd: Index | null = null;
  /** The length of the newest image. */
  private imageBytes = 0;
  /** How many times longer the log may grow now than the limits say: from 1 to 1.5. */
  private slack: number;
  /** The snapshot that took the place of a damaged one; 0 if there was none. */
  private mendedIndex: Index = 0;
  /** Snapshots that are whole, and that no write records yet, oldest first. */
  private unrecorded: readonly string[] = [];
  /** Writes under way that record a snapshot, oldest first. */
  private recording: { readonly seq: number; readonly name: string }[] = [];

  constructor(
    private readonly group: GroupId,
    private readonly limits: NodeLimits,
    private readonly ports: SnapshotterPorts,
  ) {
    this.readers = new SnapshotReaders(group, ports.store);
    this.trail = this.newTrail(0);
    this.slack = this.drawSlack();
  }

  /**
   * Restores the state machine from the snapshot that storage recorded, and removes what a crash left of others. Returns null if
   * there is none. Throws {@link CorruptError} when it is damaged.
   */
  restore(recorded: EntryId): SnapshotInfo | null {
    const { store, machine } = this.ports;
    const { index, term } = recorded;
    const name = this.nameOf(recorded);
    store.removeAllBut(index === 0 ? [] : [name]);
    if (index === 0) return null;
    const reader = store.open(name);
    const sink = machine.restore(index);
    reader.readAll((piece) => {
      sink.push(piece);
    });
    sink.finish();
    const { bytes, meta } = reader;
    reader.close();
    this.beginBehind({ index, bytes });
    return { index, term, membership: meta.membership, bytes };
  }

  onApplied(entry: Entry): void {
    this.behind = { entries: this.behind.entries + 1, bytes: this.behind.bytes + entry.payload.length };
    this.trail.add(entry);
  }

  /** One piece of work, if there is any. Returns whether there is more. */
  work(raft: Raft): boolean {
    this.tidy(raft);
    if (this.taking === null && (this.isDue(raft) || raft.view.snapshotIsDamaged)) this.startTaking(raft);
    if (this.taking === null) return false;
    this.takeSlice(raft, this.taking);
    return true;
  }

  private isDue(raft: Raft): boolean {
    this.replayEnd ??= raft.view.log.lastIndex;
    if (this.ports.machine.appliedIndex < this.replayEnd) return false;
    const { snapshotEntries, snapshotBytes } = this.limits;
    const { entries, bytes } = this.behind;
    const bytesMax = Math.max(snapshotBytes, this.imageBytes / 2);
    return entries >= snapshotEntries * this.slack || bytes >= bytesMax * this.slack;
  }

  private startTaking(raft: Raft): void {
    const { machine, store } = this.ports;
    const { log } = raft.view;
    const index = machine.appliedIndex;
    const membership = log.memberships.at(index);
    if (membership.voters.length === 0) return; // it is joining, and the log has not yet told it whom
    const meta = { group: this.group, index, term: log.termAt(index), membership };
    this.taking = { meta, writer: store.create(meta), image: machine.image(), covered: this.behind };
    this.ports.logger.log("info", "snapshot begins", { index, term: meta.term });
  }

  private takeSlice(raft: Raft, { meta, writer, image, covered }: Taking): void {
    const slice = image.next(this.limits.snapshotSliceBytes);
    if (slice !== null) {
      writer.append(slice);
      return;
    }
    this.taking = null;
    writer.commit(); // and only then may anything be compacted (rule S1)
    this.unrecorded = [...this.unrecorded, writer.name];
    const { index, term, membership } = meta;
    const { bytes } = writer;
    if (raft.view.snapshotIsDamaged) this.mendedIndex = index;
    this.imageBytes = bytes;
    this.slack = this.drawSlack();
    this.behind = { entries: this.behind.entries - covered.entries, bytes: this.behind.bytes - covered.bytes };
    const compacted = this.compactTo(raft, index);
    raft.snapshotTaken({ index, term, membership, bytes }, compacted);
    this.ports.logger.log("info", "snapshot taken", { index, term, bytes, compacted });
  }

  /** Up to where the log is needed no more: by a start from the snapshot at `index`, or by followers that are behind. */
  private compactTo(raft: Raft, index: Index): Index {
    const { trailingEntries, trailingBytes } = this.limits;
    const trailing = this.trail.back({ entries: trailingEntries, bytes: trailingBytes });
    const target = Math.min(index, trailing, Math.max(raft.neededIndex, this.trail.back(this.longest)));
    return Math.max(target, raft.view.log.compacted.index);
  }

  /**
   * What is to be sent for `order`; null if the snapshot is damaged. That costs the snapshot and not the service: what it stands
   * for is whole in the state machine, which is written to another one at once. Throws {@link CorruptError} if that
   * one is damaged, too, before there was a further one: then the disk can hold nothing.
   */
  read(raft: Raft, order: ChunkOrder): InstallSnapshot | null {
    const { snapshot } = order.message;
    if (raft.view.snapshotIsDamaged && raft.view.snapshot?.index === snapshot.index) return null; // an order of the same turn
    try {
      return this.readers.read(order);
    } catch (error) {
      if (!(error instanceof CorruptError) || snapshot.index === this.mendedIndex) throw error;
      this.ports.logger.log("error", "snapshot damaged", { index: snapshot.index, reason: error.message });
      this.readers.drop(snapshot);
      raft.snapshotDamaged(snapshot);
      return null;
    }
  }

  /** Keeps a chunk. Returns whether with it a snapshot was installed, and the state machine is another. */
  keep(raft: Raft, { snapshot, membership, bytes, offset, chunk }: InstallSnapshot): boolean {
    if (offset === 0) this.startReceiving({ group: this.group, ...snapshot, membership });
    const { receiving } = this;
    if (receiving === null) return false; // damaged further ahead
    assert(receiving.writer.bytes === offset, "the chunks of a snapshot follow one another");
    receiving.writer.append(chunk);
    const isLast = offset + chunk.length === bytes;
    if (isLast && !raft.canInstall(snapshot)) {
      this.giveUpReceiving(); // the log came as far meanwhile
      return false;
    }
    try {
      receiving.sink.push(chunk);
      if (isLast) this.install(raft, receiving, bytes);
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      this.ports.logger.log("warn", "snapshot refused", { index: snapshot.index, reason: error.message });
      this.giveUpReceiving();
      raft.refuseInstall(snapshot);
      return false;
    }
    return isLast;
  }

  private startReceiving(meta: SnapshotMeta): void {
    this.giveUpReceiving();
    const { store, machine } = this.ports;
    this.receiving = { meta, writer: store.create(meta), sink: machine.restore(meta.index) };
  }

  /** The file first; what is recorded of it, with the new beginning of the log, is one write of the core (rule S3). */
  private install(raft: Raft, { meta, writer, sink }: Receiving, bytes: number): void {
    const { index, term, membership } = meta;
    sink.finish();
    writer.commit();
    this.unrecorded = [...this.unrecorded, writer.name];
    this.receiving = null;
    this.giveUpTaking();
    this.beginBehind({ index, bytes });
    raft.install({ index, term, membership, bytes });
    this.ports.logger.log("info", "snapshot installed", { index, term, bytes });
  }

  /** A write was handed to storage. */
  onWrite({ seq, compaction }: Persist): void {
    if (compaction === null) return;
    const name = this.nameOf(compaction.snapshot);
    this.recording.push({ seq, name });
    this.unrecorded = this.unrecorded.slice(this.unrecorded.indexOf(name) + 1); // those before it never will be
  }

  /** Storage confirmed every write up to `seq`: snapshots before the one that is recorded now are of no use any more. */
  onPersisted(seq: number): void {
    const [first] = this.recording;
    if (first === undefined || first.seq > seq) return;
    const recorded = this.recording.findLast((record) => record.seq <= seq) ?? first;
    this.recording = this.recording.filter((record) => record.seq > seq);
    const kept = [recorded, ...this.recording].map(({ name }) => name);
    this.ports.store.removeAllBut([...kept, ...this.unrecorded, ...this.readers.names]);
  }

  /** Lets go of what the core no longer sends or awaits. */
  private tidy(raft: Raft): void {
    const { role } = raft.view;
    this.readers.tidy(raft.view);
    if (this.receiving !== null && (role.kind !== "follower" || role.receiving === null)) this.giveUpReceiving();
  }

  /** Ends everything that is under way. */
  close(): void {
    this.giveUpTaking();
    this.giveUpReceiving();
    this.readers.close();
  }

  private giveUpTaking(): void {
    this.taking?.image.close();
    this.taking?.writer.abort();
    this.taking = null;
  }

  private giveUpReceiving(): void {
    this.receiving?.writer.abort();
    this.receiving = null;
  }

  /** The state is that of the snapshot at `index`, and nothing is known of the log before. */
  private beginBehind({ index, bytes }: { readonly index: Index; readonly bytes: number }): void {
    this.imageBytes = bytes;
    this.behind = { entries: 0, bytes: 0 };
    this.trail = this.newTrail(index);
  }

  private get longest(): Stretch {
    return { entries: patience * this.limits.trailingEntries, bytes: patience * this.limits.trailingBytes };
  }

  private newTrail(start: Index): Trail {
    return new Trail(this.longest, start);
  }

  private drawSlack(): number {
    return 1 + this.ports.random.next() / 2;
  }

  private nameOf({ index, term }: EntryId): string {
    return snapshotName({ group: this.group, index, term });
  }
}
