/** Short stretches of bytes as arrays of their own, without an object for each. */

/** Above it a view is cheaper than a copy. Bytes. */
const copiedBytesMax = 1024;

/**
 * One buffer with a view of each length, made when it is first wanted. For calls that take a whole array, such as a
 * checksum: making a view for each of them costs more than the copy, and leaves as many to the collector.
 */
export class Scratch {
  private readonly buffer = new Uint8Array(copiedBytesMax);
  /** By their lengths. */
  private readonly views: (Uint8Array | undefined)[] = [];

  /** The bytes of `source` from `start` up to `end`, without `end`: to be read only, and good until the next call. */
  bytes(source: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    if (length > copiedBytesMax) return source.subarray(start, end);
    const view = (this.views[length] ??= this.buffer.subarray(0, length));
    (Buffer.prototype as Buffer).copy.call(source, view, 0, start, end);
    return view;
  }
}
