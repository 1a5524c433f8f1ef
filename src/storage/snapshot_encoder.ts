/** Turns an image that arrives in slices of any size into the bytes of a snapshot file. Knows no disk. */
import { assert } from "../lib/assert.ts";
import {
  chunkBytesDefault,
  chunkChecksum,
  chunkHeaderBytes,
  continuedChecksum,
  encodeEnd,
  encodeHeader,
} from "./snapshot_format.ts";
import type { SnapshotMeta } from "./snapshots.ts";

/** Room for an image so small that it needs no whole chunk. */
const roomBytesFirst = 4096;

export class SnapshotEncoder {
  /** The chunk being filled, behind room for its header. Grows to the size of a whole chunk. */
  private chunk = new Uint8Array(chunkHeaderBytes + roomBytesFirst);
  private readonly headerChecksum: number;
  private filled = 0;
  private chunkCount = 0;
  private chunksChecksum = 0;
  private total = 0;

  /** `write` gets the bytes of the file in order and must not keep them. */
  constructor(
    meta: SnapshotMeta,
    private readonly write: (bytes: Uint8Array) => void,
  ) {
    const { bytes, checksum } = encodeHeader(meta, chunkBytesDefault);
    this.headerChecksum = checksum;
    write(bytes);
  }

  /** Bytes of the image so far. */
  get bytes(): number {
    return this.total;
  }

  append(slice: Uint8Array): void {
    for (let rest = slice; rest.length > 0;) {
      const part = rest.subarray(0, chunkBytesDefault - this.filled);
      this.makeRoom(this.filled + part.length);
      this.chunk.set(part, chunkHeaderBytes + this.filled);
      this.filled += part.length;
      if (this.filled === chunkBytesDefault) this.writeChunk();
      rest = rest.subarray(part.length);
    }
    this.total += slice.length;
  }

  finish(): void {
    if (this.filled > 0) this.writeChunk();
    const { chunkCount, chunksChecksum, total } = this;
    this.write(encodeEnd({ checksum: this.headerChecksum }, { bytes: total, chunkCount, chunksChecksum }));
  }

  /** For `bytes` of one chunk, those that are there already included. */
  private makeRoom(bytes: number): void {
    const room = this.chunk.length - chunkHeaderBytes;
    if (bytes <= room) return;
    const grown = new Uint8Array(chunkHeaderBytes + Math.min(chunkBytesDefault, Math.max(bytes, 2 * room)));
    grown.set(this.chunk.subarray(0, chunkHeaderBytes + this.filled));
    this.chunk = grown;
  }

  private writeChunk(): void {
    assert(this.filled > 0, "no chunk is empty");
    const whole = this.chunk.subarray(0, chunkHeaderBytes + this.filled);
    this.chunkCount++;
    const header = { checksum: this.headerChecksum };
    const checksum = chunkChecksum(header, this.chunkCount, whole.subarray(chunkHeaderBytes));
    const view = new DataView(whole.buffer, 0, chunkHeaderBytes);
    view.setUint32(0, this.filled);
    view.setUint32(4, checksum);
    this.chunksChecksum = continuedChecksum(this.chunksChecksum, checksum);
    this.write(whole);
    this.filled = 0;
  }
}
