/**
 * Builds a key space from an image that arrives in slices, cut anywhere. Believes nothing: what it hands over in the end
 * has the counts, the order, the checksum and the state hash of the image. Knows nothing of the store that it is for.
 */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { crc32 } from "../lib/checksum.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Index } from "../raft/mod.ts";
import { keyText } from "../wire/mod.ts";
import type { RecordHead } from "./image_codec.ts";
import {
  endSection,
  imageEndBytes,
  imageHeaderBytes,
  keysSection,
  readImageEnd,
  readImageHeader,
  readRecordHead,
  recordHeadBytes,
} from "./image_codec.ts";
import { restoredRecord } from "./key_record.ts";
import { KeySpace } from "./key_space.ts";

/** What comes next in the image: `take` is called once its bytes are there, and says what follows; null: nothing does. */
interface Part {
  readonly bytes: number;
  readonly take: (reader: ByteReader) => Part | null;
}

export class Restoration {
  private readonly keys = new KeySpace();
  /** What arrived of the next part; in between two slices, less than it needs. */
  private readonly pending = new ByteWriter();
  private next: Part | null = { bytes: imageHeaderBytes, take: (reader) => this.takeHeader(reader) };
  /** Of everything before what is pending. */
  private checksum = 0;
  /** How many keys the header promised and did not come yet; null before their section. */
  private keysMissing: number | null = null;
  private keyCount = 0;
  private lastKey = "";

  /** `appliedIndex` is where the image must have been taken. */
  constructor(private readonly appliedIndex: Index) {}

  /** Throws {@link CorruptError} when the image is damaged; it is then of no use any more. */
  push(slice: Uint8Array): void {
    const { pending } = this;
    pending.bytes(slice);
    const reader = new ByteReader(pending.peek());
    while (this.next !== null && reader.remaining >= this.next.bytes) this.next = this.next.take(reader);
    if (this.next === null && reader.remaining > 0) throw new CorruptError("bytes behind the end of the image");
    const taken = reader.position;
    this.checksum = crc32(pending.peek().subarray(0, taken), this.checksum);
    const rest = pending.peek().subarray(taken);
    pending.reset();
    pending.bytes(rest); // moves it to the front: the copy works inside one buffer
  }

  /** The keys, once the whole image was pushed. Throws {@link CorruptError} when its end is missing. */
  finish(): KeySpace {
    if (this.next !== null) throw new CorruptError("the image is truncated");
    return this.keys;
  }

  private takeHeader(reader: ByteReader): Part {
    const { appliedIndex, revision, keyCount } = readImageHeader(reader);
    if (appliedIndex !== this.appliedIndex) {
      throw new CorruptError(`an image of index ${appliedIndex}, not of ${this.appliedIndex}`);
    }
    this.keys.revision = revision;
    this.keyCount = keyCount;
    return this.section();
  }

  private section(): Part {
    return { bytes: 1, take: (reader) => this.takeTag(reader) };
  }

  private takeTag(reader: ByteReader): Part {
    const tag = reader.u8();
    if (tag === keysSection && this.keysMissing === null) {
      this.keysMissing = this.keyCount;
      return this.recordOrSection();
    }
    if (tag === endSection && this.keysMissing !== null) return this.end();
    throw new CorruptError(`section ${tag} of the image is not known or not in its place`);
  }

  private recordOrSection(): Part {
    if (this.keysMissing === 0) return this.section();
    return { bytes: recordHeadBytes, take: (reader) => this.takeRecordHead(reader) };
  }

  private takeRecordHead(reader: ByteReader): Part {
    const head = readRecordHead(reader);
    return { bytes: head.keyLength + head.valueLength, take: (body) => this.takeRecord(head, body) };
  }

  private takeRecord(head: RecordHead, body: ByteReader): Part {
    const { keyLength, valueLength, createRevision, modRevision, version, lease } = head;
    const keyView = body.bytes(keyLength);
    const value = body.bytes(valueLength).slice(); // the store keeps it: never a view of the slice
    const key = keyText(keyView);
    if (key <= this.lastKey) throw new CorruptError("the keys of the image are not in order");
    if (modRevision > this.keys.revision) throw new CorruptError("a key of the image is younger than the image");
    this.keys.create(key, restoredRecord(keyView, { value, createRevision, modRevision, version, lease }));
    this.lastKey = key;
    this.keysMissing = (this.keysMissing ?? 0) - 1;
    return this.recordOrSection();
  }

  private end(): Part {
    return { bytes: imageEndBytes + 4, take: (reader) => this.takeEnd(reader) };
  }

  private takeEnd(reader: ByteReader): null {
    const { recordCount, stateHash } = readImageEnd(reader);
    const checksum = crc32(this.pending.peek().subarray(0, reader.position), this.checksum);
    if (reader.u32() !== checksum) throw new CorruptError("the image does not match its checksum");
    if (recordCount !== this.keys.size) throw new CorruptError(`${this.keys.size} of ${recordCount} records`);
    if (stateHash !== this.keys.stateHash()) throw new CorruptError("the image does not match its state hash");
    return null;
  }
}
