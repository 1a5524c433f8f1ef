/** One growing buffer that values are appended to, big-endian. Whoever takes the bytes decides whether to copy. */
import { assert } from "./assert.ts";

const utf8 = new TextEncoder();

export class ByteWriter {
  private buffer: Uint8Array<ArrayBuffer>;
  private view: DataView<ArrayBuffer>;
  private end = 0;

  constructor(capacityBytes = 256) {
    this.buffer = new Uint8Array(capacityBytes);
    this.view = new DataView(this.buffer.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.end;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.end++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.view.setUint16(this.end, value);
    this.end += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.end, value);
    this.end += 4;
  }

  /** A non-negative integer below 2^53, in eight bytes. */
  u53(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "u53 out of range");
    this.reserve(8);
    this.view.setUint32(this.end, Math.floor(value / 0x1_0000_0000));
    this.view.setUint32(this.end + 4, value >>> 0);
    this.end += 8;
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.end);
    this.end += value.length;
  }

  /** The bytes of `source` from `start` up to `end`, without `end`: cheaper than a view of them, where they are few. */
  copy(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.reserve(length);
    (Buffer.prototype as Buffer).copy.call(source, this.buffer, this.end, start, end);
    this.end += length;
  }

  /** The UTF-8 form of `text`, without a length. */
  text(text: string): void {
    this.bytes(utf8.encode(text));
  }

  /** One byte for each UTF-16 unit of `text`, of which none is above 255. */
  latin1(text: string): void {
    const { length } = text;
    this.reserve(length);
    for (let i = 0; i < length; i++) this.buffer[this.end + i] = text.charCodeAt(i);
    this.end += length;
  }

  /** Overwrites four bytes written before, at `offset`. */
  patchU32(offset: number, value: number): void {
    assert(offset + 4 <= this.end, "patch beyond the end");
    this.view.setUint32(offset, value);
  }

  /** What was written, without a copy: valid until the next write or reset. */
  peek(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(0, this.end);
  }

  /** A copy of what was written. */
  copied(): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(0, this.end);
  }

  /** What was written, in a buffer that nobody else writes to; the writer starts again empty. Copies only what would waste space. */
  take(): Uint8Array<ArrayBuffer> {
    const wasteful = this.end * 2 < this.buffer.length;
    const taken = wasteful ? this.buffer.slice(0, this.end) : this.buffer.subarray(0, this.end);
    if (!wasteful) {
      this.buffer = new Uint8Array(this.buffer.length);
      this.view = new DataView(this.buffer.buffer);
    }
    this.end = 0;
    return taken;
  }

  /** Forgets what was written and keeps the buffer. */
  reset(): void {
    this.end = 0;
  }

  private reserve(bytes: number): void {
    const needed = this.end + bytes;
    if (needed <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.end));
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }
}
