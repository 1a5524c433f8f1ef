/** The image of a store, made slice by slice while the store goes on: see image_codec.ts for its bytes. */
import { assert } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { crc32 } from "../lib/checksum.ts";
import type { Index } from "../raft/mod.ts";
import { endSection, keysSection, writeImageEnd, writeImageHeader, writeRecord } from "./image_codec.ts";
import type { KeyView } from "./key_view.ts";
import type { ImageSource } from "./state_machine.ts";

export class StoreImage implements ImageSource {
  private readonly writer = new ByteWriter();
  /** Encoded, and not handed out yet. */
  private rest: Uint8Array;
  /** Of everything that was encoded. */
  private checksum: number;
  private recordCount = 0;
  private ended = false;
  private closed = false;

  /** Closes `view` when it has come to its end. */
  constructor(
    private readonly view: KeyView,
    appliedIndex: Index,
  ) {
    const { revision, keyCount } = view.state;
    writeImageHeader(this.writer, { appliedIndex, revision, keyCount });
    this.writer.u8(keysSection);
    this.rest = this.writer.take();
    this.checksum = crc32(this.rest);
  }

  next(bytesMax: number): Uint8Array | null {
    assert(!this.closed, "an image is not read after it was closed");
    assert(bytesMax > 0, "a slice has room for a byte");
    if (this.rest.length < bytesMax && !this.ended) this.encode(bytesMax);
    if (this.rest.length === 0) return null;
    const slice = this.rest.subarray(0, bytesMax);
    this.rest = this.rest.subarray(slice.length);
    return slice;
  }

  close(): void {
    if (!this.closed && !this.ended) this.view.close();
    this.closed = true;
  }

  /** Encodes whole records behind the rest until it holds `bytesMax` bytes; more by less than one record. */
  private encode(bytesMax: number): void {
    const { writer } = this;
    writer.bytes(this.rest);
    const start = writer.length;
    this.ended = this.view.visit((key, record) => {
      writeRecord(writer, key, record);
      this.recordCount++;
      return writer.length < bytesMax;
    });
    if (this.ended) this.encodeEnd();
    this.checksum = crc32(writer.peek().subarray(start), this.checksum);
    if (this.ended) writer.u32(this.checksum);
    this.rest = writer.take();
  }

  private encodeEnd(): void {
    const { keyCount, stateHash } = this.view.state;
    assert(this.recordCount === keyCount, "an image holds every key of the store");
    this.writer.u8(endSection);
    writeImageEnd(this.writer, { recordCount: this.recordCount, stateHash });
    this.view.close();
  }
}
