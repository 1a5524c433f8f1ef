/** The snapshots on the disk of one machine: those in memory, where each step of writing one may be the last of the node's life. */
import type { SnapshotMeta, SnapshotReader, SnapshotStore, SnapshotWriter } from "../storage/mod.ts";

export class SnapshotDisk implements SnapshotStore {
  /** `onStep` is called before and after each step of writing a snapshot; it may throw to end the life right there. */
  constructor(
    private readonly snapshots: SnapshotStore,
    private readonly onStep: () => void,
  ) {}

  create(meta: SnapshotMeta): SnapshotWriter {
    this.onStep();
    const writer = this.snapshots.create(meta);
    const { onStep } = this;
    return {
      name: writer.name,
      get bytes() {
        return writer.bytes;
      },
      append: (slice) => {
        onStep();
        writer.append(slice);
      },
      commit: () => {
        onStep();
        writer.commit();
        onStep();
      },
      abort: () => writer.abort(),
    };
  }

  open(name: string): SnapshotReader {
    return this.snapshots.open(name);
  }

  verify(name: string): void {
    this.snapshots.verify(name);
  }

  list(): readonly string[] {
    return this.snapshots.list();
  }

  remove(name: string): void {
    this.snapshots.remove(name);
  }

  removeAllBut(names: readonly string[]): void {
    this.snapshots.removeAllBut(names);
  }
}
