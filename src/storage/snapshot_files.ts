/**
 * Snapshots as files in one directory. A snapshot is written beside its place under another name and moved there when it is
 * whole and durable, so that a file under a snapshot's name was whole once: if it is not now, it has rotted (rule P10).
 */
import { closeSync, existsSync, fdatasyncSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../lib/assert.ts";
import { CorruptError } from "../lib/errors.ts";
import {
  createDirectory,
  explainingFileErrors,
  type FileBytes,
  namesIn,
  openFileBytes,
  syncDirectory,
} from "./files.ts";
import { SnapshotDecoder } from "./snapshot_decoder.ts";
import { SnapshotEncoder } from "./snapshot_encoder.ts";
import {
  parseSnapshotName,
  snapshotName,
  sortedSnapshotNames,
  type SnapshotMeta,
  type SnapshotReader,
  type SnapshotStore,
  type SnapshotWriter,
} from "./snapshots.ts";

/** Written bytes after which they are brought to the disk: at once in the end, they would hold up a turn, and every commit of the log. */
const unsyncedBytesMax = 1024 * 1024;

/** Opens the snapshots in `directory`, making it if it is missing. Nobody else may write there. */
export function openSnapshotFiles(directory: string): SnapshotStore {
  explainingFileErrors(`open ${directory}`, () => createDirectory(directory));
  return new SnapshotFiles(directory);
}

class SnapshotFiles implements SnapshotStore {
  /** The names of the files that are being written now. */
  private readonly unfinished = new Set<string>();
  /** Tells the files of several writers of one snapshot apart. */
  private created = 0;

  constructor(private readonly directory: string) {}

  create(meta: SnapshotMeta): SnapshotWriter {
    this.created++;
    const temporary = `${snapshotName(meta)}.${this.created}.tmp`;
    const writer = new FileWriter({ directory: this.directory, temporary }, meta, () => {
      this.unfinished.delete(temporary);
    });
    this.unfinished.add(temporary);
    return writer;
  }

  open(name: string): SnapshotReader {
    return this.decoder(name);
  }

  verify(name: string): void {
    const decoder = this.decoder(name);
    try {
      decoder.verify();
    } finally {
      decoder.close();
    }
  }

  list(): readonly string[] {
    return explainingFileErrors(`read ${this.directory}`, () => sortedSnapshotNames(namesIn(this.directory)));
  }

  remove(name: string): void {
    assert(parseSnapshotName(name) !== null, "a snapshot has a snapshot's name");
    this.removeFile(name);
  }

  removeAllBut(names: readonly string[]): void {
    const kept = new Set([...names, ...this.unfinished]);
    const found = explainingFileErrors(`read ${this.directory}`, () => namesIn(this.directory));
    for (const name of found) {
      const isOurs = parseSnapshotName(name) !== null || isTemporary(name);
      if (isOurs && !kept.has(name)) this.removeFile(name);
    }
  }

  /** Need not be durable: what comes back after a power cut is removed again. */
  private removeFile(name: string): void {
    explainingFileErrors(`remove ${join(this.directory, name)}`, () =>
      rmSync(join(this.directory, name), { force: true }),
    );
  }

  private decoder(name: string): SnapshotDecoder {
    assert(parseSnapshotName(name) !== null, "a snapshot has a snapshot's name");
    return new SnapshotDecoder(name, openBytes(name, join(this.directory, name)));
  }
}

function isTemporary(name: string): boolean {
  const [, final] = /^(.*)\.\d+\.tmp$/.exec(name) ?? [];
  return final !== undefined && parseSnapshotName(final) !== null;
}

class FileWriter implements SnapshotWriter {
  readonly name: string;
  private readonly directory: string;
  private readonly path: string;
  private readonly encoder: SnapshotEncoder;
  private readonly onDone: () => void;
  /** Null once the writer is done. */
  private file: number | null;
  private unsyncedBytes = 0;

  constructor(
    place: { readonly directory: string; readonly temporary: string },
    meta: SnapshotMeta,
    onDone: () => void,
  ) {
    this.name = snapshotName(meta);
    this.directory = place.directory;
    this.path = join(place.directory, place.temporary);
    this.onDone = onDone;
    this.file = explainingFileErrors(`write ${this.path}`, () => openSync(this.path, "w", 0o600));
    this.encoder = new SnapshotEncoder(meta, (bytes) => this.write(bytes));
  }

  get bytes(): number {
    return this.encoder.bytes;
  }

  append(slice: Uint8Array): void {
    assert(this.file !== null, "a snapshot that is done is not appended to");
    this.encoder.append(slice);
  }

  commit(): void {
    const { file } = this;
    assert(file !== null, "a snapshot is committed once");
    this.encoder.finish();
    explainingFileErrors(`write ${this.path}`, () => {
      fsyncSync(file);
      closeSync(file);
      this.file = null;
      renameSync(this.path, join(this.directory, this.name));
      syncDirectory(this.directory);
    });
    this.onDone();
  }

  abort(): void {
    const { file } = this;
    if (file === null) return;
    this.file = null;
    explainingFileErrors(`remove ${this.path}`, () => {
      closeSync(file);
      rmSync(this.path, { force: true });
    });
    this.onDone();
  }

  private write(bytes: Uint8Array): void {
    const { file } = this;
    assert(file !== null, "a snapshot that is done is not written");
    explainingFileErrors(`write ${this.path}`, () => {
      for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
      this.unsyncedBytes += bytes.length;
      if (this.unsyncedBytes < unsyncedBytesMax) return;
      fdatasyncSync(file);
      this.unsyncedBytes = 0;
    });
  }
}

function openBytes(name: string, path: string): FileBytes {
  if (!existsSync(path)) throw new CorruptError(`snapshot ${name}: missing`);
  return openFileBytes(path);
}
