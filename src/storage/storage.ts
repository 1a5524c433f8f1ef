/**
 * The port to the disk: one store for all groups of a node. What it confirms survives a power cut; what it cannot
 * write stops the process (rule P7), because a disk that failed once cannot be trusted with a second try.
 */
import type { GroupId, LogReader, Membership, Persist, Restored } from "../raft/mod.ts";

export interface Storage {
  /**
   * Opens a group, creating it with `bootstrap` as its first configuration when the store has never seen it, and
   * counts one more boot, durably. Verifies every entry; throws {@link CorruptError} naming the first damaged index.
   */
  load(group: GroupId, bootstrap: Membership): Restored;
  /** Reads the durable log of a group that was loaded. */
  reader(group: GroupId): LogReader;
  /**
   * Writes what one turn produced, for all groups, in order, as one transaction with one fsync. May return before it
   * is durable; never reorders. A write without hard state, truncation, compaction and entries is a barrier: it only has
   * to wait for those before it. A write is on disk as a whole or not at all, however much it drops (rule S3).
   */
  persist(writes: readonly Persist[]): void;
  /** Called for each write of {@link persist} in order once it is durable, perhaps before `persist` returns. Set by the driver. */
  onPersisted: (group: GroupId, seq: number) => void;
  close(): void;
}
