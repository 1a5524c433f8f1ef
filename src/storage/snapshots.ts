/**
 * The port to the snapshots of a node: images of state machines, each with the place in the log that it stands for. What is
 * committed survives a power cut whole; what is not leaves no trace that anybody would take for a snapshot (rule P10).
 */
import type { GroupId, Index, Membership, Term } from "../raft/mod.ts";

/** What a snapshot replaces of the log: everything of `group` up to `index` (rule S1). */
export interface SnapshotMeta {
  readonly group: GroupId;
  readonly index: Index;
  readonly term: Term;
  /** The configuration at `index`. Written and read back as JSON, never looked into. */
  readonly membership: Membership;
}

/** Where a snapshot stands: all that its name is made of. */
export type SnapshotId = Omit<SnapshotMeta, "membership">;

/**
 * Calls return when the work is done. A disk that fails is a `ProaError`: DISK_FAILED, or LOCAL_RESOURCE where the operator
 * forbade the access. Damage is a {@link CorruptError} that names the snapshot and its first damaged chunk, from 1.
 */
export interface SnapshotStore {
  /** Begins a snapshot. It exists once it is committed, and then replaces an earlier one of the same name. */
  create(meta: SnapshotMeta): SnapshotWriter;
  /** Opens a committed snapshot, reading its header and end, but no chunk. Stays readable when it is removed (rule S4). */
  open(name: string): SnapshotReader;
  /** Reads all of a snapshot, at once. Throws {@link CorruptError} at the first damage. */
  verify(name: string): void;
  /** The names of the committed snapshots, by group, index and term. */
  list(): readonly string[];
  /** Does nothing if there is no such snapshot. */
  remove(name: string): void;
  /** Removes all snapshots but `names`, and what a crash left of unfinished ones. Those being written now go on. */
  removeAllBut(names: readonly string[]): void;
}

export interface SnapshotWriter {
  readonly name: string;
  /** Bytes appended so far: where a transfer that was interrupted goes on. */
  readonly bytes: number;
  /** Keeps nothing of `slice`. */
  append(slice: Uint8Array): void;
  /** Makes it durable, and then visible, in one step. The writer is done. */
  commit(): void;
  /** Gives it up, also after an error. Does nothing once the writer is done. */
  abort(): void;
}

export interface SnapshotReader {
  readonly meta: SnapshotMeta;
  /** What was appended in all. */
  readonly bytes: number;
  /**
   * The bytes from `offset` on, at least one and at most `bytesMax`, verified; empty at the end. May end early. Nobody will
   * write to them.
   */
  read(range: { readonly offset: number; readonly bytesMax: number }): Uint8Array;
  /** All bytes from the beginning, piece by piece, verified; each piece is good only until `take` returns. */
  readAll(take: (piece: Uint8Array) => void): void;
  close(): void;
}

/** The name of a snapshot, which is also its file's. */
export function snapshotName({ group, index, term }: SnapshotId): string {
  return `${group}-${index}-${term}.snapshot`;
}

/** What {@link snapshotName} was made of; null for any other name. */
export function parseSnapshotName(name: string): SnapshotId | null {
  const [, group, index, term] = /^(\d{1,16})-(\d{1,16})-(\d{1,16})\.snapshot$/.exec(name) ?? [];
  if (group === undefined || index === undefined || term === undefined) return null;
  const id = { group: Number(group), index: Number(index), term: Number(term) };
  return snapshotName(id) === name ? id : null;
}

/** The snapshots among `names`, by group, index and term. */
export function sortedSnapshotNames(names: Iterable<string>): readonly string[] {
  const found: { readonly name: string; readonly id: SnapshotId }[] = [];
  for (const name of names) {
    const id = parseSnapshotName(name);
    if (id !== null) found.push({ name, id });
  }
  found.sort((a, b) => a.id.group - b.id.group || a.id.index - b.id.index || a.id.term - b.id.term);
  return found.map(({ name }) => name);
}
