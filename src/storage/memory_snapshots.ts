/** Snapshots in memory, for the simulator and for tests: the same bytes as in files, on a disk that can crash and rot. */
import { assert } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import { SnapshotDecoder } from "./snapshot_decoder.ts";
import { SnapshotEncoder } from "./snapshot_encoder.ts";
import {
  snapshotName,
  sortedSnapshotNames,
  type SnapshotMeta,
  type SnapshotReader,
  type SnapshotStore,
  type SnapshotWriter,
} from "./snapshots.ts";

export class MemorySnapshots implements SnapshotStore {
  /** The committed files. A file is never written to but by {@link damage}. */
  private readonly files = new Map<string, Uint8Array>();
  private usable = true;

  create(meta: SnapshotMeta): SnapshotWriter {
    this.assertUsable();
    return new MemoryWriter(meta, (name, file) => {
      this.assertUsable();
      this.files.set(name, file);
    });
  }

  open(name: string): SnapshotReader {
    return this.decoder(name);
  }

  verify(name: string): void {
    this.decoder(name).verify();
  }

  list(): readonly string[] {
    this.assertUsable();
    return sortedSnapshotNames(this.files.keys());
  }

  remove(name: string): void {
    this.assertUsable();
    this.files.delete(name);
  }

  removeAllBut(names: readonly string[]): void {
    for (const name of this.list()) if (!names.includes(name)) this.remove(name);
  }

  /** Cuts the power: this store and its writers are dead, and what was committed comes back as another one. */
  crash(): MemorySnapshots {
    this.assertUsable();
    this.usable = false;
    const restarted = new MemorySnapshots();
    for (const [name, file] of this.files) restarted.files.set(name, file);
    return restarted;
  }

  /** How long the file of a snapshot is. */
  fileBytes(name: string): number {
    return this.file(name).length;
  }

  /** Inverts the lowest bit at `offset` of the file, as a rotten disk would: whoever reads it from now on finds it so. */
  damage(name: string, offset: number): void {
    const rotten = this.file(name).slice();
    assert(offset < rotten.length, "damage lies inside the file");
    rotten[offset] = (rotten[offset] ?? 0) ^ 1;
    this.files.set(name, rotten);
  }

  private decoder(name: string): SnapshotDecoder {
    const file = this.file(name);
    return new SnapshotDecoder(name, {
      size: file.length,
      read({ position, length }) {
        if (position + length > file.length) throw new CorruptError("truncated");
        return file.subarray(position, position + length);
      },
      close: () => undefined,
    });
  }

  private file(name: string): Uint8Array {
    this.assertUsable();
    const file = this.files.get(name);
    if (file === undefined) throw new CorruptError(`snapshot ${name}: missing`);
    return file;
  }

  private assertUsable(): void {
    assert(this.usable, "these snapshots lost their power");
  }
}

class MemoryWriter implements SnapshotWriter {
  readonly name: string;
  private readonly file = new ByteWriter();
  private readonly encoder: SnapshotEncoder;
  private done = false;

  constructor(
    meta: SnapshotMeta,
    private readonly onCommit: (name: string, file: Uint8Array) => void,
  ) {
    this.name = snapshotName(meta);
    this.encoder = new SnapshotEncoder(meta, (bytes) => this.file.bytes(bytes));
  }

  get bytes(): number {
    return this.encoder.bytes;
  }

  append(slice: Uint8Array): void {
    assert(!this.done, "a snapshot that is done is not appended to");
    this.encoder.append(slice);
  }

  commit(): void {
    assert(!this.done, "a snapshot is committed once");
    this.done = true;
    this.encoder.finish();
    this.onCommit(this.name, this.file.take());
  }

  abort(): void {
    this.done = true;
  }
}
