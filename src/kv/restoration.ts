/**
 * Builds the state of a store from an image that arrives in slices, cut anywhere. Believes nothing: what it hands over in
 * the end has the counts, the order, the checksum and the state hash of the image. Knows nothing of the store that it is for.
 */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { crc32 } from "../lib/checksum.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Index } from "../raft/mod.ts";
import { decodeSettings, keyText, settingNames } from "../wire/mod.ts";
import type { AnswerHead, ChangeHead } from "./image_codec.ts";
import {
  answerHeadBytes,
  answersSection,
  changeHeadBytes,
  changesSection,
  emptyStamp,
  endSection,
  imageEndBytes,
  imageHeaderBytes,
  keysSection,
  leaseBytes,
  leasesSection,
  readAnswerHead,
  readChangeHead,
  readImageEnd,
  readImageHeader,
  readLeaseState,
  readStamp,
  sectionHeadBytes,
  sections,
  settingBytes,
  settingsSection,
  stampBytes,
} from "./image_codec.ts";
import type { KeyNumber } from "./rows.ts";
import { RestoredHistory } from "./restored_history.ts";
import type { StoreState } from "./store_state.ts";

/** What comes next in the image: `take` is called once its bytes are there, and says what follows; null: nothing does. */
interface Part {
  readonly bytes: number;
  readonly take: (reader: ByteReader) => Part | null;
}

/** What the items of a section are made of: a head of one length for all, and a rest. */
interface Items {
  readonly headBytes: number;
  /** Returns how long the rest is. */
  readonly takeHead: (reader: ByteReader) => number;
  readonly takeRest: (reader: ByteReader) => void;
  /** Called after the last. */
  readonly end: () => void;
}

export class Restoration {
  private readonly history: RestoredHistory;
  /** What arrived of the next part; in between two slices, less than it needs. */
  private readonly pending = new ByteWriter();
  private next: Part | null = { bytes: imageHeaderBytes, take: (reader) => this.takeHeader(reader) };
  /** Of everything before what is pending. */
  private checksum = 0;
  /** How many sections came. */
  private sectionCount = 0;
  private itemCount = 0;
  private compactedRevision = 0;
  private sessionCounts = { floor: 0, saved: 0 };
  private leaseCount = 0;

  /** `appliedIndex` is where the image must have been taken, and `state` is empty. */
  constructor(
    private readonly appliedIndex: Index,
    private readonly state: StoreState,
  ) {
    this.history = new RestoredHistory(state.keys);
  }

  /** Throws {@link CorruptError} when the image is damaged; it is then of no use any more. */
  push(slice: Uint8Array): void {
    const { pending } = this;
    pending.bytes(slice);
    const reader = new ByteReader(pending.peek());
    while (this.next !== null && reader.remaining >= this.next.bytes) this.next = this.next.take(reader);
    if (this.next === null && reader.remaining > 0) throw new CorruptError("bytes behind the end of the image");
    const taken = reader.position;
    if (taken === 0) return;
    this.checksum = crc32(pending.peek().subarray(0, taken), this.checksum);
    const rest = pending.peek().subarray(taken);
    pending.reset();
    pending.bytes(rest); // moves it to the front: the copy works inside one buffer
  }

  /** The state, once the whole image was pushed. Throws {@link CorruptError} when its end is missing. */
  finish(): StoreState {
    if (this.next !== null) throw new CorruptError("the image is truncated");
    return this.state;
  }

  private takeHeader(reader: ByteReader): Part {
    const header = readImageHeader(reader);
    const { appliedIndex, revision, compactedRevision, sessionFloor, savedCount } = header;
    if (appliedIndex !== this.appliedIndex) {
      throw new CorruptError(`an image of index ${appliedIndex}, not of ${this.appliedIndex}`);
    }
    this.state.keys.revision = revision;
    this.compactedRevision = compactedRevision;
    this.sessionCounts = { floor: sessionFloor, saved: savedCount };
    this.leaseCount = header.leaseCount;
    return this.section();
  }

  /** The head of the next section, or the end. */
  private section(): Part {
    if (this.sectionCount === sections.length)
      return { bytes: 1 + imageEndBytes + 4, take: (reader) => this.takeEnd(reader) };
    return { bytes: sectionHeadBytes, take: (reader) => this.takeSectionHead(reader) };
  }

  private takeSectionHead(reader: ByteReader): Part {
    const tag = reader.u8();
    const expected = sections[this.sectionCount];
    if (tag !== expected) throw new CorruptError(`section ${tag} of the image is not known or not in its place`);
    const count = reader.u53();
    this.sectionCount++;
    this.itemCount += count;
    switch (expected) {
      case settingsSection:
        return this.settings(count);
      case keysSection:
        return this.takeItems(reader, this.keys(), count, null);
      case changesSection:
        return this.takeItems(reader, this.changes(), count, null);
      case answersSection:
        return this.takeItems(reader, this.answers(), count, null);
      case leasesSection:
        return this.takeItems(reader, this.leases(), count, null);
    }
  }

  private settings(count: number): Part {
    if (count !== settingNames.length) throw new CorruptError(`${count} settings, not ${settingNames.length}`);
    return {
      bytes: count * settingBytes,
      take: (reader) => {
        this.state.settings = { ...this.state.settings, ...decodeSettings(reader.bytes(count * settingBytes)) };
        return this.section();
      },
    };
  }

  /** Takes in as many items of a section as are there whole; `rest` is the length of what the first still lacks if its head was taken. */
  private takeItems(reader: ByteReader, items: Items, missing: number, rest: number | null): Part {
    let needed = rest;
    for (let left = missing; left > 0; left--) {
      if (needed === null) {
        if (reader.remaining < items.headBytes)
          return { bytes: items.headBytes, take: (more) => this.takeItems(more, items, left, null) };
        needed = items.takeHead(reader);
      }
      if (reader.remaining < needed) {
        const bytes = needed;
        return { bytes, take: (more) => this.takeItems(more, items, left, bytes) };
      }
      items.takeRest(reader);
      needed = null;
    }
    items.end();
    return this.section();
  }

  private keys(): Items {
    const { keys } = this.state;
    const stamp = emptyStamp();
    const sorted: KeyNumber[] = [];
    return {
      headBytes: stampBytes,
      takeHead: (reader) => readStamp(reader, stamp),
      takeRest: (reader) => {
        const bytes = reader.bytes(stamp.keyLength);
        const last = sorted.at(-1);
        if (last !== undefined && !keys.isBehind(bytes, last))
          throw new CorruptError("the keys of the image are not in order");
        if (stamp.modRevision > keys.revision) throw new CorruptError("a key of the image is younger than the image");
        if (stamp.version === 0) throw new CorruptError("a key of the image that does not exist");
        sorted.push(keys.restoreKey(bytes, stamp, reader.bytes(stamp.valueLength)));
      },
      end: () => {
        keys.restoreOrder(sorted);
      },
    };
  }

  private changes(): Items {
    const { history, compactedRevision } = this;
    const stamp = emptyStamp();
    let change: ChangeHead = { isDelete: false, replacedNothing: true, revision: 0 };
    return {
      headBytes: changeHeadBytes + stampBytes,
      takeHead: (reader) => {
        change = readChangeHead(reader);
        return readStamp(reader, stamp);
      },
      takeRest: (reader) => {
        if (change.revision <= compactedRevision) throw new CorruptError("a change of the image that is compacted");
        const key = reader.bytes(stamp.keyLength);
        const value = reader.bytes(stamp.valueLength);
        history.addOlder(key, change, change.replacedNothing ? null : { stamp, value });
      },
      end: () => {
        history.finish(compactedRevision);
      },
    };
  }

  private answers(): Items {
    const { sessions } = this.state;
    let head: AnswerHead = { sessionLength: 0, answerLength: 0, born: 0, seq: 0, forgotten: 0 };
    return {
      headBytes: answerHeadBytes,
      takeHead: (reader) => {
        head = readAnswerHead(reader);
        return head.sessionLength + head.answerLength;
      },
      takeRest: (reader) => {
        const { sessionLength, answerLength, ...id } = head;
        const session = keyText(reader.bytes(sessionLength));
        sessions.restore({ ...id, session, answer: reader.bytes(answerLength).slice() });
      },
      end: () => {
        sessions.restoreCounts(this.sessionCounts);
      },
    };
  }

  private leases(): Items {
    const { leases } = this.state.keys;
    return {
      headBytes: leaseBytes,
      takeHead: (reader) => {
        const lease = readLeaseState(reader);
        if (lease.renewal > this.leaseCount || !leases.restore(lease))
          throw new CorruptError("a lease of the image that cannot be");
        return 0;
      },
      takeRest: () => undefined,
      end: () => {
        if (!leases.restoreCount(this.leaseCount)) throw new CorruptError("a key of the image without its lease");
      },
    };
  }

  private takeEnd(reader: ByteReader): null {
    const tag = reader.u8();
    if (tag !== endSection) throw new CorruptError(`section ${tag} of the image is not known or not in its place`);
    const { itemCount, stateHash } = readImageEnd(reader);
    const checksum = crc32(this.pending.peek().subarray(0, reader.position), this.checksum);
    if (reader.u32() !== checksum) throw new CorruptError("the image does not match its checksum");
    if (itemCount !== this.itemCount) throw new CorruptError(`${this.itemCount} of ${itemCount} items`);
    if (stateHash !== this.state.hash()) throw new CorruptError("the image does not match its state hash");
    return null;
  }
}
