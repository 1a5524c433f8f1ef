/** Reads out the snapshots that are being sent, one open file for each follower, for as long as it is sent to. */
import { assert } from "../lib/assert.ts";
import type { ChunkOrder, EntryId, GroupId, InstallSnapshot, NodeId, RaftState } from "../raft/mod.ts";
import { snapshotName, type SnapshotReader, type SnapshotStore } from "../storage/snapshots.ts";

interface OpenReader {
  readonly name: string;
  readonly reader: SnapshotReader;
}

export class SnapshotReaders {
  private readonly open = new Map<NodeId, OpenReader>();

  constructor(
    private readonly group: GroupId,
    private readonly store: SnapshotStore,
  ) {}

  /** The message that `order` asks for. Throws {@link CorruptError} when the snapshot is damaged. */
  read({ message, length }: ChunkOrder): InstallSnapshot {
    const reader = this.readerFor(message);
    assert(reader.bytes === message.bytes, "the snapshot that is sent is another one");
    const first = reader.read({ offset: message.offset, bytesMax: length });
    if (first.length === length) return { ...message, chunk: first };
    const chunk = new Uint8Array(length); // it lies across the pieces in which the file is verified
    chunk.set(first);
    for (let done = first.length; done < length;) {
      const next = reader.read({ offset: message.offset + done, bytesMax: length - done });
      chunk.set(next, done);
      done += next.length;
    }
    return { ...message, chunk };
  }

  /** Closes all that read this snapshot. */
  drop({ index, term }: EntryId): void {
    const dropped = snapshotName({ group: this.group, index, term });
    for (const [to, { name, reader }] of this.open) {
      if (name !== dropped) continue;
      reader.close();
      this.open.delete(to);
    }
  }

  private readerFor({ to, snapshot: { index, term } }: ChunkOrder["message"]): SnapshotReader {
    const name = snapshotName({ group: this.group, index, term });
    const open = this.open.get(to);
    if (open?.name === name) return open.reader;
    open?.reader.close();
    const reader = this.store.open(name);
    this.open.set(to, { name, reader });
    return reader;
  }

  /** The snapshots that are being read: on some systems a file that is open cannot be removed (rule S4). */
  get names(): readonly string[] {
    return [...this.open.values()].map(({ name }) => name);
  }

  /** Closes what is not sent any more. */
  tidy({ role }: Readonly<RaftState>): void {
    for (const [to, { name, reader }] of this.open) {
      const sending = role.kind === "leader" ? (role.progress.get(to)?.sending ?? null) : null;
      const { index, term } = sending?.snapshot ?? { index: 0, term: 0 };
      if (snapshotName({ group: this.group, index, term }) === name) continue;
      reader.close();
      this.open.delete(to);
    }
  }

  close(): void {
    for (const { reader } of this.open.values()) reader.close();
    this.open.clear();
  }
}
