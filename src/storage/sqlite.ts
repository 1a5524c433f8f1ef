/**
 * The storage port on SQLite: a row for each entry, one transaction and one sync for each turn. Keeps nothing of a log in
 * memory but where it ends. What it cannot write or trust ends it for good (rule P7).
 */
import { join } from "node:path";
import { assert } from "../lib/assert.ts";
import type { Entry, GroupId, Index, LogReader, Membership, Persist, Restored, Term } from "../raft/mod.ts";
import { SqliteError, type SqliteDatabase, type SqliteStatement } from "../runtime/runtime.ts";
import { lockDirectory, type DirectoryLocation, type DirectoryLock } from "./directory_lock.ts";
import { checkLog, damagedEntry, takeEntries } from "./log_reading.ts";
import {
  decodeEntry,
  decodeGroup,
  deleteEntries,
  encodeEntry,
  encodeGroup,
  indexIn,
  insertEntry,
  placeOf,
  placesOf,
  replaceGroup,
  selectEntries,
  selectFirst,
  selectGroup,
  selectLast,
  type GroupRow,
} from "./rows.ts";
import { databaseFile, diskError, openDatabase } from "./sqlite_database.ts";
import type { Storage } from "./storage.ts";
import { assertBootstrap, changesDisk, positionAfter, type Position } from "./write_rules.ts";

/**
 * How long the write-ahead log grows before it is copied into the database, in pages of 16 KiB. Copying stalls a turn:
 * 4 MiB for about 7 ms, 16 MiB for 25 ms; the throughput is the same.
 */
const walPagesMax = 256;

/** How much is read at once: enough that the cost of a query is not felt. */
const batchBytesMax = 1024 * 1024;
const batchEntriesMax = 256;

/**
 * How many compacted entries a write deletes: for each entry that it adds, and besides. More than one for one, so that the
 * rows that wait to be deleted become fewer while the log grows; few, because each may cost the reading of many pages.
 */
const deletedForEach = 2;
const deletedBesides = 2;

/** A group that was loaded. */
interface LoadedGroup {
  readonly group: GroupId;
  readonly boot: number;
  /** That at the compacted entry. */
  membership: Membership;
  position: Position;
  /** The first row that may be there: compacted entries are deleted little by little. */
  firstRow: Index;
  /** What the row on disk says: see {@link GroupRow}. Of entries that have left the write-ahead log it knows. */
  lastIndexMin: Index;
  /** Whether the next write takes the row along for the sake of `lastIndexMin`. */
  rowIsDue: boolean;
}

/**
 * Opens the store of a directory that exists, and holds the directory's lock until it is closed. Throws a `ProaError`:
 * DATA_LOCKED, DATA_CORRUPT, DATA_FOREIGN, LOCAL_RESOURCE or DISK_FAILED.
 */
export function openSqliteStorage(location: DirectoryLocation): SqliteStorage {
  const lock = lockDirectory(location);
  try {
    return new SqliteStorage({ lock, database: openDatabase(location), path: join(location.directory, databaseFile) });
  } catch (error) {
    lock.release();
    throw error;
  }
}

export class SqliteStorage implements Storage {
  onPersisted: (group: GroupId, seq: number) => void = () => undefined;
  private readonly lock: DirectoryLock;
  private readonly database: SqliteDatabase;
  private readonly path: string;
  private readonly statements: Statements;
  private readonly groups = new Map<GroupId, LoadedGroup>();
  private confirming = false;
  private closed = false;
  /** The first error. It is thrown again at every later use. */
  private failure: { readonly error: unknown } | null = null;

  /** Owns the lock and the connection. */
  constructor(opened: { readonly lock: DirectoryLock; readonly database: SqliteDatabase; readonly path: string }) {
    this.lock = opened.lock;
    this.database = opened.database;
    this.path = opened.path;
    this.statements = prepareAll(opened.database);
  }

  /** What {@link claim} stored; null in a new store. */
  get owner(): string | null {
    const value = this.use("read", () => this.statements.selectOwner.get())?.["value"];
    return typeof value === "string" ? value : null;
  }

  /** Whether a group was ever loaded: only then can the store hold a promise. */
  get hasGroups(): boolean {
    return this.use("read", () => this.statements.selectAnyGroup.get()) !== null;
  }

  /** Notes, durably, whose store this is. */
  claim(owner: string): void {
    this.use("write to", () => {
      this.statements.replaceOwner.run(owner);
    });
  }

  load(group: GroupId, bootstrap: Membership): Restored {
    assert(!this.groups.has(group), "a group is loaded once");
    assertBootstrap(bootstrap);
    const { row, last, termRuns, memberships } = this.use("read", () => this.recover(group, bootstrap));
    const { hardState, membership, compacted, snapshot } = row;
    const loaded: LoadedGroup = {
      group,
      boot: row.boot + 1,
      membership,
      position: { seq: 0, hardState, last, compacted, snapshot },
      firstRow: this.use("read", () => this.indexOf("firstEntry", group)) ?? compacted.index + 1,
      lastIndexMin: row.lastIndexMin,
      rowIsDue: false,
    };
    this.saveRows([loaded]);
    this.groups.set(group, loaded);
    return {
      hardState,
      membership,
      memberships,
      boot: loaded.boot,
      compacted,
      snapshot,
      termRuns,
      lastIndex: last.index,
    };
  }

  reader(group: GroupId): LogReader {
    const loaded = this.loadedGroup(group);
    return { entries: (range) => this.use("read", () => this.readRange(loaded, range)) };
  }

  persist(writes: readonly Persist[]): void {
    assert(!this.confirming, "persist must not be called while writes are confirmed");
    this.use("write to", () => this.store(writes));
    this.confirming = true;
    for (const { group, seq } of writes) this.onPersisted(group, seq);
    this.confirming = false;
    if (writes.some(changesDisk)) this.use("write to", () => this.maybeCheckpoint());
  }

  /** Releases the directory. Writes nothing more to a disk that failed but what SQLite knows to be durable already. */
  close(): void {
    if (this.closed) return;
    if (this.failure === null) {
      this.saveRows(this.staleGroups());
    }
    this.closed = true;
    this.database.close();
    this.lock.release();
  }

  /** Runs what touches the disk; its first failure ends the store. */
  private use<T>(action: "read" | "write to", work: () => T): T {
    assert(!this.closed, "the storage is closed");
    if (this.failure !== null) throw this.failure.error;
    try {
      return work();
    } catch (cause) {
      const error = diskError(`${action} ${this.path}`, cause);
      this.failure = { error };
      throw error;
    }
  }

  /** Reads what is stored of a group and verifies all of it, one entry at a time. */
  private recover(group: GroupId, bootstrap: Membership) {
    const stored = this.statements.selectGroup.get(group);
    const row = stored === null ? newGroup(group, bootstrap) : decodeGroup(group, stored);
    const { compacted, hardState } = row;
    const last = this.lastEntry(group);
    const lastIndex = Math.max(row.lastIndexMin, compacted.index, last instanceof SqliteError ? 0 : last);
    const entries = this.entriesOf(group, { from: compacted.index + 1, to: lastIndex });
    const log = checkLog({ group, compacted, hardState }, entries); // names the first entry that cannot be read
    if (last instanceof SqliteError) throw last;
    return { row, ...log };
  }

  /** 0 if there is none; why it cannot be told. */
  private lastEntry(group: GroupId): Index | SqliteError {
    try {
      return this.indexOf("lastEntry", group) ?? 0;
    } catch (error) {
      if (error instanceof SqliteError && error.code === "SQLITE_CORRUPT") return error;
      throw error;
    }
  }

  private indexOf(end: "firstEntry" | "lastEntry", group: GroupId): Index | null {
    return indexIn(group, this.statements[end].get(...placesOf(group)));
  }

  /** Reads in batches of about {@link batchBytesMax}, guessing the size of the next entries from the last. */
  private *entriesOf(group: GroupId, range: { readonly from: Index; readonly to: Index }): Iterable<Entry> {
    let count = 1;
    for (let from = range.from; from <= range.to;) {
      const batch = this.readBatch(group, { from, to: Math.min(range.to, from + count - 1) });
      yield* batch;
      from += batch.length;
      const bytes = batch.reduce((sum, entry) => sum + entry.payload.length, 0);
      const affordable = Math.floor((batchBytesMax * batch.length) / (bytes + 1));
      count = Math.max(1, Math.min(2 * count, affordable, batchEntriesMax));
    }
  }

  private readRange(
    { group, position }: LoadedGroup,
    range: { readonly from: Index; readonly to: Index; readonly bytesMax: number },
  ): readonly Entry[] {
    const { from, to, bytesMax } = range;
    assert(
      from > position.compacted.index && from <= to && to <= position.last.index,
      "entries outside the durable log",
    );
    return takeEntries(this.entriesOf(group, { from, to }), bytesMax);
  }

  /** Every entry of the range, verified. */
  private readBatch(group: GroupId, range: { readonly from: Index; readonly to: Index }): readonly Entry[] {
    const { from, to } = range;
    try {
      const rows = this.statements.selectEntries.all(placeOf(group, from), placeOf(group, to));
      return Array.from({ length: to - from + 1 }, (_, i) => decodeEntry(group, from + i, rows[i]));
    } catch (error) {
      if (!(error instanceof SqliteError) || error.code !== "SQLITE_CORRUPT") throw error;
      if (from === to) throw damagedEntry(group, from, error.message, error);
      for (let index = from; index <= to; index++) this.readBatch(group, { from: index, to: index }); // which one is it?
      throw error;
    }
  }

  private termAt(group: GroupId, index: Index): Term {
    const [entry] = this.readBatch(group, { from: index, to: index });
    assert(entry !== undefined, "a range of one has one entry");
    return entry.term;
  }

  /** One transaction for all; none if there is nothing to write. */
  private store(writes: readonly Persist[]): void {
    const changes = writes.some(changesDisk);
    if (changes) this.statements.begin.run();
    for (const write of writes) this.storeOne(write);
    if (changes) this.statements.commit.run();
  }

  /** A failure leaves memory ahead of the disk, and this store unusable. */
  private storeOne(write: Persist): void {
    const loaded = this.loadedGroup(write.group);
    const { group, hardState, truncateFrom, compaction, entries } = write;
    const before = loaded.position;
    loaded.position = positionAfter(before, write, (index) => this.termAt(group, index));
    if (truncateFrom !== null) this.statements.deleteEntries.run(placeOf(group, truncateFrom), placesOf(group)[1]);
    if (compaction !== null) loaded.membership = compaction.membership;
    const beginsAnew = loaded.position.compacted.index >= (truncateFrom ?? before.last.index + 1);
    const deletedMax = beginsAnew ? Infinity : deletedForEach * entries.length + deletedBesides;
    if (changesDisk(write)) this.deleteCompacted(loaded, deletedMax);
    for (const entry of entries) this.statements.insertEntry.run(...encodeEntry(group, entry));
    const shortens = truncateFrom !== null && truncateFrom <= loaded.lastIndexMin;
    if (hardState !== null || shortens || compaction !== null || (loaded.rowIsDue && changesDisk(write)))
      this.saveRow(loaded);
  }

  /** Deletes the oldest of the entries that are compacted and still have a row, at most `countMax`. */
  private deleteCompacted(loaded: LoadedGroup, countMax: number): void {
    const { group, firstRow, position } = loaded;
    const to = Math.min(position.compacted.index, firstRow + countMax - 1);
    if (to < firstRow) return;
    this.statements.deleteEntries.run(placeOf(group, 0), placeOf(group, to));
    loaded.firstRow = to + 1;
  }

  private saveRow(loaded: LoadedGroup): void {
    const { group, boot, membership, position } = loaded;
    const { hardState, compacted, snapshot, last } = position;
    loaded.lastIndexMin = last.index;
    loaded.rowIsDue = false;
    const row: GroupRow = { group, hardState, boot, membership, compacted, snapshot, lastIndexMin: last.index };
    this.statements.replaceGroup.run(...encodeGroup(row));
  }

  /** In a transaction of its own. */
  private saveRows(groups: readonly LoadedGroup[]): void {
    if (groups.length === 0) return;
    this.use("write to", () => {
      this.statements.begin.run();
      for (const loaded of groups) this.saveRow(loaded);
      this.statements.commit.run();
    });
  }

  /**
   * Entries that leave the write-ahead log leave its checksums, so their row vouches for their number before they do: the next write
   * takes it along, or, where a group writes nothing, the one after that finds it written for itself.
   */
  private maybeCheckpoint(): void {
    const pages = Number(this.statements.walState.get()?.["log"]);
    if (pages < walPagesMax) return;
    const stale = this.staleGroups();
    if (stale.some(({ rowIsDue }) => !rowIsDue)) {
      for (const loaded of stale) loaded.rowIsDue = true;
      return;
    }
    this.saveRows(stale);
    const done = this.statements.checkpoint.get();
    assert(done?.["busy"] === 0 && done["log"] === done["checkpointed"], "nobody can hold up a checkpoint");
  }

  /** Those whose row does not know of all entries. */
  private staleGroups(): readonly LoadedGroup[] {
    return [...this.groups.values()].filter(({ lastIndexMin, position }) => lastIndexMin < position.last.index);
  }

  private loadedGroup(group: GroupId): LoadedGroup {
    const loaded = this.groups.get(group);
    assert(loaded !== undefined, "a group must be loaded before it is used");
    return loaded;
  }
}

function newGroup(group: GroupId, membership: Membership): GroupRow {
  const start = { index: 0, term: 0 };
  const hardState = { term: 0, vote: null };
  return { group, hardState, boot: 0, membership, compacted: start, snapshot: start, lastIndexMin: 0 };
}

type Statements = ReturnType<typeof prepareAll>;

function prepareAll(database: SqliteDatabase) {
  const prepare = (sql: string): SqliteStatement => database.prepare(sql);
  return {
    begin: prepare("BEGIN IMMEDIATE"),
    commit: prepare("COMMIT"),
    selectOwner: prepare("SELECT value FROM meta WHERE name = 'owner'"),
    replaceOwner: prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('owner', ?)"),
    selectAnyGroup: prepare("SELECT 1 FROM groups LIMIT 1"),
    selectGroup: prepare(selectGroup),
    replaceGroup: prepare(replaceGroup),
    firstEntry: prepare(selectFirst),
    lastEntry: prepare(selectLast),
    selectEntries: prepare(selectEntries),
    insertEntry: prepare(insertEntry),
    deleteEntries: prepare(deleteEntries),
    walState: prepare("PRAGMA wal_checkpoint(NOOP)"),
    checkpoint: prepare("PRAGMA wal_checkpoint(PASSIVE)"),
  };
}
