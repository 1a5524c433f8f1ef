/** Reads what {@link ByteWriter} wrote, from bytes that nobody has checked: anything that does not fit is a {@link CorruptError}. */
import { CorruptError } from "./errors.ts";

export class ByteReader {
  private readonly view: DataView;
  private offset = 0;

  constructor(private readonly source: Uint8Array) {
    this.view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  }

  get position(): number {
    return this.offset;
  }

  get remaining(): number {
    return this.source.length - this.offset;
  }

  u8(): number {
    this.need(1);
    return this.view.getUint8(this.offset++);
  }

  u16(): number {
    this.need(2);
    this.offset += 2;
    return this.view.getUint16(this.offset - 2);
  }

  u32(): number {
    this.need(4);
    this.offset += 4;
    return this.view.getUint32(this.offset - 4);
  }

  /** An integer below 2^53; a greater one is corrupt (rule L14). */
  u53(): number {
    this.need(8);
    const high = this.view.getUint32(this.offset);
    if (high >= 0x20_0000) throw new CorruptError("an integer of 2^53 or more");
    const value = high * 0x1_0000_0000 + this.view.getUint32(this.offset + 4);
    this.offset += 8;
    return value;
  }

  /** A view of the next `length` bytes: no copy, so it lives as long as the source. */
  bytes(length: number): Uint8Array {
    this.need(length);
    this.offset += length;
    return this.source.subarray(this.offset - length, this.offset);
  }

  /** Whether the next bytes are `expected`; passes over as many. */
  skipIf(expected: Uint8Array): boolean {
    const { length } = expected;
    this.need(length);
    const start = this.offset;
    this.offset += length;
    for (let i = 0; i < length; i++) if (this.source[start + i] !== expected[i]) return false;
    return true;
  }

  /** Passes over the next `length` bytes. */
  skip(length: number): void {
    this.need(length);
    this.offset += length;
  }

  private need(bytes: number): void {
    if (this.offset + bytes > this.source.length) throw new CorruptError("truncated");
  }
}

/** Four bytes of `bytes` from `offset` on, without a reader. A byte that is not there counts as 0. */
export function u32At(bytes: Uint8Array, offset: number): number {
  const low = ((bytes[offset + 1] ?? 0) << 16) | ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
  return (bytes[offset] ?? 0) * 0x100_0000 + low;
}
