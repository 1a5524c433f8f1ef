/** The image of a store, made slice by slice while the store goes on: see image_codec.ts for its bytes. */
import { assert } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { crc32 } from "../lib/checksum.ts";
import type { Index } from "../raft/mod.ts";
import { settingNames, writeSettings } from "../wire/mod.ts";
import {
  answersSection,
  changesSection,
  endSection,
  keysSection,
  leasesSection,
  settingsSection,
  writeAnswer,
  writeChange,
  writeImageEnd,
  writeImageHeader,
  writeLeaseState,
  writeVersion,
} from "./image_codec.ts";
import type { ImageSource } from "./state_machine.ts";
import type { StoreState } from "./store_state.ts";

/** One section on its way out. */
interface Section {
  readonly tag: number;
  /** How many items it holds. */
  readonly count: number;
  /** Appends items until none is left, which it returns, or `isFull` says so. */
  readonly write: (writer: ByteWriter, isFull: () => boolean) => boolean;
  /** Lets go of what it holds; it may be called again. */
  readonly close: () => void;
}

export class StoreImage implements ImageSource {
  private readonly writer = new ByteWriter();
  /** What is left, in order; the first is begun where {@link begun} says so. */
  private sections: readonly Section[];
  private begun = false;
  private readonly stateHash: string;
  private readonly itemCount: number;
  /** How much of what was written was handed out. */
  private handedOut = 0;
  /** Of everything that was encoded. */
  private checksum: number;
  private ended = false;
  private closed = false;

  constructor(state: StoreState, appliedIndex: Index) {
    this.sections = [settingsOf(state), keysOf(state), changesOf(state), answersOf(state), leasesOf(state)];
    this.stateHash = state.hash();
    this.itemCount = this.sections.reduce((total, { count }) => total + count, 0);
    const { revision, history, leases } = state.keys;
    const { floor: sessionFloor, saved: savedCount } = state.sessions;
    const { compactedRevision } = history;
    const counts = { revision, compactedRevision, sessionFloor, savedCount, leaseCount: leases.count };
    writeImageHeader(this.writer, { appliedIndex, ...counts });
    this.checksum = crc32(this.writer.peek());
  }

  next(bytesMax: number): Uint8Array | null {
    assert(!this.closed, "an image is not read after it was closed");
    assert(bytesMax > 0, "a slice has room for a byte");
    if (this.writer.length - this.handedOut < bytesMax && !this.ended) this.encode(bytesMax);
    const slice = this.writer.peek().subarray(this.handedOut, this.handedOut + bytesMax);
    this.handedOut += slice.length;
    return slice.length === 0 ? null : slice;
  }

  close(): void {
    for (const section of this.sections) section.close();
    this.sections = [];
    this.closed = true;
  }

  /** Encodes whole items behind what is left until that is `bytesMax` bytes; more by less than one item. */
  private encode(bytesMax: number): void {
    const { writer } = this;
    const rest = writer.peek().subarray(this.handedOut);
    writer.reset();
    writer.bytes(rest); // moves it to the front: the copy works inside one buffer
    this.handedOut = 0;
    const start = writer.length;
    const isFull = (): boolean => writer.length >= bytesMax;
    while (!isFull() && !this.ended) this.encodeSection(isFull);
    this.checksum = crc32(writer.peek().subarray(start), this.checksum);
    if (this.ended) writer.u32(this.checksum);
  }

  /** Goes on with the first section that is left, or ends the image. */
  private encodeSection(isFull: () => boolean): void {
    const { writer } = this;
    const [section] = this.sections;
    if (section === undefined) {
      writer.u8(endSection);
      writeImageEnd(writer, { itemCount: this.itemCount, stateHash: this.stateHash });
      this.ended = true;
      return;
    }
    if (!this.begun) {
      writer.u8(section.tag);
      writer.u53(section.count);
    }
    this.begun = !section.write(writer, isFull);
    if (this.begun) return;
    section.close();
    this.sections = this.sections.slice(1);
  }
}

function settingsOf({ settings }: StoreState): Section {
  const write = (writer: ByteWriter): boolean => {
    writeSettings(writer, settings);
    return true;
  };
  return { tag: settingsSection, count: settingNames.length, write, close: () => undefined };
}

function keysOf({ keys }: StoreState): Section {
  const { table, versions } = keys;
  const view = keys.view();
  const write = (writer: ByteWriter, isFull: () => boolean): boolean =>
    view.visit((row) => {
      writeVersion(writer, table.place(versions.rows.key(row)), versions.show(row));
      return !isFull();
    });
  return { tag: keysSection, count: view.keyCount, write, close: () => view.close() };
}

function changesOf({ keys }: StoreState): Section {
  const { table, versions } = keys;
  const view = keys.historyView();
  const write = (writer: ByteWriter, isFull: () => boolean): boolean => {
    while (view.length > 0 && !isFull()) {
      view.visitNewest((change, replaced) => {
        writeChange(writer, table.place(versions.rows.key(change)), {
          revision: versions.rows.modRevision(change),
          isDelete: versions.isTombstone(change),
          replaced: keys.show(replaced),
        });
      });
    }
    return view.length === 0;
  };
  return { tag: changesSection, count: view.length, write, close: () => view.close() };
}

function answersOf({ sessions }: StoreState): Section {
  return listed(answersSection, sessions.items(), writeAnswer);
}

function leasesOf({ keys }: StoreState): Section {
  return listed(leasesSection, keys.leases.items(), writeLeaseState);
}

/** A section of items that nothing changes any more. */
function listed<Item>(
  tag: number,
  items: readonly Item[],
  writeItem: (writer: ByteWriter, item: Item) => void,
): Section {
  let next = 0;
  const write = (writer: ByteWriter, isFull: () => boolean): boolean => {
    for (let item = items[next]; item !== undefined && !isFull(); item = items[next]) {
      writeItem(writer, item);
      next++;
    }
    return next === items.length;
  };
  return { tag, count: items.length, write, close: () => undefined };
}
