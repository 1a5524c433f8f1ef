/** Reads a snapshot file wherever it is kept, from any offset, and believes no byte of it without its checksum. */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import { CorruptError } from "../lib/errors.ts";
import type { FileBytes } from "./files.ts";
import {
  chunkChecksum,
  chunkHeaderBytes,
  continuedChecksum,
  decodeEnd,
  decodeHeader,
  endBytes,
  fixedHeaderBytes,
  headerBytes,
  type SnapshotEnd,
  type SnapshotHeader,
} from "./snapshot_format.ts";
import { snapshotName, type SnapshotMeta, type SnapshotReader } from "./snapshots.ts";

export class SnapshotDecoder implements SnapshotReader {
  private readonly header: SnapshotHeader;
  private readonly end: SnapshotEnd;
  /** The chunk that was read last: transfers ask for parts of it, one after the other. */
  private latest: { readonly number: number; readonly bytes: Uint8Array } | null = null;

  /** Closes `file` when it is closed itself, or when it cannot be made. Throws {@link CorruptError}. */
  constructor(
    private readonly name: string,
    private readonly file: FileBytes,
  ) {
    try {
      this.header = this.inPart("header", () => this.readHeader());
      this.end = this.inPart("end", () => this.readEnd());
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get meta(): SnapshotMeta {
    return this.header.meta;
  }

  get bytes(): number {
    return this.end.bytes;
  }

  read({ offset, bytesMax }: { readonly offset: number; readonly bytesMax: number }): Uint8Array {
    assert(offset >= 0 && offset <= this.bytes, "a snapshot is read from an offset inside it");
    assert(bytesMax > 0, "a read has room for a byte");
    if (offset === this.bytes) return new Uint8Array(0);
    const { chunkBytes } = this.header;
    const start = offset % chunkBytes;
    return this.chunk(Math.floor(offset / chunkBytes) + 1).subarray(start, start + bytesMax);
  }

  /** Uses the same memory for each piece: a long image would else leave as much behind for the collector. */
  readAll(take: (piece: Uint8Array) => void): void {
    const into = new Uint8Array(Math.min(chunkHeaderBytes + this.header.chunkBytes, this.file.size));
    for (let number = 1; number <= this.end.chunkCount; number++) {
      take(this.inPart(`chunk ${number}`, () => this.readChunk(number, into)));
    }
  }

  /** Reads everything once. Throws {@link CorruptError} at the first damage. */
  verify(): void {
    let checksum = 0;
    let number = 0;
    this.readAll((chunk) => {
      checksum = continuedChecksum(checksum, chunkChecksum(this.header, ++number, chunk));
    });
    if (checksum !== this.end.chunksChecksum) throw this.damaged("end", "its chunks are not those that were written");
  }

  close(): void {
    this.latest = null;
    this.file.close();
  }

  private readHeader(): SnapshotHeader {
    const { file } = this;
    if (file.size < fixedHeaderBytes) throw new CorruptError("truncated");
    const length = headerBytes(file.read({ position: 0, length: fixedHeaderBytes }));
    if (length + endBytes > file.size) throw new CorruptError("truncated");
    const header = decodeHeader(file.read({ position: 0, length }));
    if (header.chunkBytes === 0) throw new CorruptError("chunks without bytes");
    if (snapshotName(header.meta) !== this.name) throw new CorruptError(`it is that of ${snapshotName(header.meta)}`);
    return header;
  }

  private readEnd(): SnapshotEnd {
    const { file, header } = this;
    const end = decodeEnd(header, file.read({ position: file.size - endBytes, length: endBytes }));
    const size = header.bytes + end.chunkCount * chunkHeaderBytes + end.bytes + endBytes;
    const chunkCount = Math.ceil(end.bytes / header.chunkBytes);
    if (end.chunkCount !== chunkCount || size !== file.size) throw new CorruptError("bytes are missing or too many");
    return end;
  }

  /** The bytes of chunk `number`, verified. */
  private chunk(number: number): Uint8Array {
    if (this.latest?.number === number) return this.latest.bytes;
    const bytes = this.inPart(`chunk ${number}`, () => this.readChunk(number));
    this.latest = { number, bytes };
    return bytes;
  }

  private readChunk(number: number, into?: Uint8Array): Uint8Array {
    const { chunkBytes, bytes: start } = this.header;
    const before = number - 1;
    const length = Math.min(chunkBytes, this.bytes - before * chunkBytes);
    const position = start + before * (chunkHeaderBytes + chunkBytes);
    const range = { position, length: chunkHeaderBytes + length };
    const whole = this.file.read(into === undefined ? range : { ...range, into });
    const head = new ByteReader(whole);
    const bytes = whole.subarray(chunkHeaderBytes);
    if (head.u32() !== length) throw new CorruptError("length mismatch");
    if (head.u32() !== chunkChecksum(this.header, number, bytes)) throw new CorruptError("checksum mismatch");
    return bytes;
  }

  /** Names the snapshot and the part of it in whatever damage `read` finds. */
  private inPart<T>(part: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      throw this.damaged(part, error.message, error);
    }
  }

  private damaged(part: string, reason: string, cause?: unknown): CorruptError {
    return new CorruptError(`snapshot ${this.name}: ${part}: ${reason}`, cause === undefined ? undefined : { cause });
  }
}
