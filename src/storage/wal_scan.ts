/**
 * Looks for damage in SQLite's write-ahead log that SQLite itself passes over in silence: at the first bad frame it takes
 * the rest for the torn end of the last write and drops it, acknowledged entries included (rule P11). Reads only.
 *
 * We write one transaction at a time and sync each, so at most the last one can be torn. A bad frame with a frame of a
 * later transaction behind it was whole once, and has rotted since.
 *
 * The format (sqlite.org/fileformat.html, all integers big-endian): a header of 32 bytes (magic, version, page size,
 * sequence, two salts, two checksums), then frames: page number, size of the database if the frame commits (else 0), the
 * salts of the header, two checksums, the page. Frames with other salts are left over from before the file was rewound.
 */
import { existsSync, readFileSync } from "node:fs";

const headerBytes = 32;
const frameHeaderBytes = 24;
/** The last bit is free: it tells whether checksums take the bytes as big-endian words. */
const magic = 0x377f0682;

/** SQLite's running checksum: each frame continues the one before. */
type Checksum = readonly [first: number, second: number];

/** The number of the first frame that is damaged although it was whole once: from 1, 0 for the header, null if none is. */
export function damagedWalFrame(path: string): number | null {
  if (!existsSync(path)) return null;
  const bytes = readFileSync(path);
  if (bytes.length <= headerBytes) return null; // no transaction was ever written to it
  const wal = new Wal(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (!wal.hasValidHeader()) return 0; // it was synced before the first frame was written
  const bad = wal.firstBadFrame();
  const end = wal.commitAtOrAfter(bad);
  for (let frame = end + 1; frame < wal.frameCount; frame++) if (wal.isCurrent(frame)) return bad + 1;
  return null;
}

class Wal {
  private readonly frameBytes: number;
  private readonly wordsAreLittleEndian: boolean;
  readonly frameCount: number;

  constructor(private readonly view: DataView) {
    this.wordsAreLittleEndian = (view.getUint32(0) & 1) === 0;
    this.frameBytes = frameHeaderBytes + view.getUint32(8);
    this.frameCount = Math.floor((view.byteLength - headerBytes) / this.frameBytes);
  }

  hasValidHeader(): boolean {
    return this.view.getUint32(0) >>> 1 === magic >>> 1 && equal(this.headerChecksum(), this.storedChecksum(24));
  }

  /** Where the unbroken chain of checksums ends; `frameCount` if it never does. */
  firstBadFrame(): number {
    let checksum = this.headerChecksum();
    for (let frame = 0; frame < this.frameCount; frame++) {
      const start = this.start(frame);
      checksum = this.continued(checksum, start, start + 8);
      checksum = this.continued(checksum, start + frameHeaderBytes, start + this.frameBytes);
      if (!this.isCurrent(frame) || !equal(checksum, this.storedChecksum(start + 16))) return frame;
    }
    return this.frameCount;
  }

  /** The end of the transaction that `frame` belongs to, as far as its headers can be read; `frameCount` if it has none. */
  commitAtOrAfter(frame: number): number {
    let end = frame;
    while (end < this.frameCount && !(this.isCurrent(end) && this.view.getUint32(this.start(end) + 4) !== 0)) end++;
    return end;
  }

  /** Whether the frame was written since the file was last rewound. */
  isCurrent(frame: number): boolean {
    const salts = this.start(frame) + 8;
    return (
      this.view.getUint32(salts) === this.view.getUint32(16) &&
      this.view.getUint32(salts + 4) === this.view.getUint32(20)
    );
  }

  private headerChecksum(): Checksum {
    return this.continued([0, 0], 0, 24);
  }

  private storedChecksum(offset: number): Checksum {
    return [this.view.getUint32(offset), this.view.getUint32(offset + 4)];
  }

  private continued(checksum: Checksum, from: number, to: number): Checksum {
    let [first, second] = checksum;
    for (let offset = from; offset < to; offset += 8) {
      first = (first + this.view.getUint32(offset, this.wordsAreLittleEndian) + second) >>> 0;
      second = (second + this.view.getUint32(offset + 4, this.wordsAreLittleEndian) + first) >>> 0;
    }
    return [first, second];
  }

  private start(frame: number): number {
    return headerBytes + frame * this.frameBytes;
  }
}

function equal(a: Checksum, b: Checksum): boolean {
  return a[0] === b[0] && a[1] === b[1];
}
