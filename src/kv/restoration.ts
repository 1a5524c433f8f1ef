/**
 * Builds the state of a store from an image that arrives in slices, cut anywhere. Believes nothing: what it hands over in
 * the end has the counts, the order, the checksum and the state hash of the image. Knows nothing of the store that it is for.
 */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { crc32 } from "../lib/checksum.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Index } from "../raft/mod.ts";
import { decodeSettings, keyText, type KeyState, settingNames } from "../wire/mod.ts";
import type { ChangeHead, Stamp } from "./image_codec.ts";
import {
  answerHeadBytes,
  answersSection,
  changeHeadBytes,
  changesSection,
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
import { RestoredHistory } from "./restored_history.ts";
import { StoreState } from "./store_state.ts";

/** What comes next in the image: `take` is called once its bytes are there, and says what follows; null: nothing does. */
interface Part {
  readonly bytes: number;
  readonly take: (reader: ByteReader) => Part | null;
}

export class Restoration {
  private readonly state = new StoreState();
  private readonly history = new RestoredHistory(this.state.keys);
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
        return this.keyOrSection(count);
      case changesSection:
        return this.changeOrSection(count);
      case answersSection:
        return this.answerOrSection(count);
      case leasesSection:
        return this.leaseOrSection(count);
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

  private keyOrSection(missing: number): Part {
    if (missing === 0) return this.section();
    return { bytes: stampBytes, take: (reader) => version(readStamp(reader), (found) => this.takeKey(found, missing)) };
  }

  private takeKey({ stamp, keyView, value }: Version, missing: number): Part {
    const { keys } = this.state;
    const key = keyText(keyView);
    if (key <= this.lastKey) throw new CorruptError("the keys of the image are not in order");
    if (stamp.modRevision > keys.revision) throw new CorruptError("a key of the image is younger than the image");
    if (stamp.version === 0) throw new CorruptError("a key of the image that does not exist");
    keys.restoreKey(keys.versions.restored({ text: key, bytes: keyView }, stateOf(stamp, value)));
    this.lastKey = key;
    return this.keyOrSection(missing - 1);
  }

  private changeOrSection(missing: number): Part {
    if (missing === 0) {
      this.history.finish(this.compactedRevision);
      return this.section();
    }
    const takeHead = (reader: ByteReader): Part => {
      const head = readChangeHead(reader);
      return version(readStamp(reader), (found) => this.takeChange(head, found, missing));
    };
    return { bytes: changeHeadBytes + stampBytes, take: takeHead };
  }

  private takeChange(head: ChangeHead, { stamp, keyView, value }: Version, missing: number): Part {
    if (head.revision <= this.compactedRevision) throw new CorruptError("a change of the image that is compacted");
    const replaced = head.replacedNothing ? null : stateOf(stamp, value);
    this.history.addOlder({ text: keyText(keyView), bytes: keyView }, { ...head, replaced });
    return this.changeOrSection(missing - 1);
  }

  private answerOrSection(missing: number): Part {
    if (missing === 0) {
      this.state.sessions.restoreCounts(this.sessionCounts);
      return this.section();
    }
    const takeHead = (head: ByteReader): Part => {
      const { sessionLength, answerLength, ...id } = readAnswerHead(head);
      return {
        bytes: sessionLength + answerLength,
        take: (reader) => {
          const session = keyText(reader.bytes(sessionLength));
          this.state.sessions.restore({ ...id, session, answer: reader.bytes(answerLength).slice() });
          return this.answerOrSection(missing - 1);
        },
      };
    };
    return { bytes: answerHeadBytes, take: takeHead };
  }

  private leaseOrSection(missing: number): Part {
    const { leases } = this.state.keys;
    if (missing === 0) {
      if (!leases.restoreCount(this.leaseCount)) throw new CorruptError("a key of the image without its lease");
      return this.section();
    }
    const take = (reader: ByteReader): Part => {
      const lease = readLeaseState(reader);
      if (lease.renewal > this.leaseCount || !leases.restore(lease))
        throw new CorruptError("a lease of the image that cannot be");
      return this.leaseOrSection(missing - 1);
    };
    return { bytes: leaseBytes, take };
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

/** A version as it stands in the image. */
interface Version {
  readonly stamp: Stamp;
  /** Both are views, to be copied. */
  readonly keyView: Uint8Array;
  readonly value: Uint8Array;
}

/** The key and value that follow `stamp`. */
function version(stamp: Stamp, take: (version: Version) => Part): Part {
  return {
    bytes: stamp.keyLength + stamp.valueLength,
    take: (reader) => {
      const keyView = reader.bytes(stamp.keyLength);
      const value = reader.bytes(stamp.valueLength);
      return take({ stamp, keyView, value });
    },
  };
}

function stateOf({ createRevision, modRevision, version, lease }: Stamp, value: Uint8Array): KeyState {
  return { value, createRevision, modRevision, version, lease };
}
