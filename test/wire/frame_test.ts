import { describe, expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { crc32 } from "../../src/lib/checksum.ts";
import { CorruptError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { type Entry, type Message, newMembership } from "../../src/raft/mod.ts";
import {
  clusterIdBytes,
  decodeFrame,
  encodeMembership,
  frameBytesBound,
  frameHeaderBytes,
  writeFrame,
  type DecodedFrame,
} from "../../src/wire/mod.ts";
import { appendOf, clusterId, makeEntry, makePayload, otherClusterId, sampleMessages } from "./sample_messages.ts";

const receiver = { self: 2, clusterId: clusterIdBytes(clusterId), peers: new Set([1, 3]) };
const route = { group: 0, from: 1, to: 2, directory: 9 };
const timeoutNow: Message = { kind: "TimeoutNow", ...route, term: 7 };

function frameOf(message: Message, cluster = clusterId): Uint8Array {
  const writer = new ByteWriter();
  writeFrame(writer, message, clusterIdBytes(cluster));
  return writer.take();
}

/** What became of `frame`: the message, or in one word why there is none. */
function fateOf(frame: Uint8Array): DecodedFrame | "corrupt" {
  try {
    return decodeFrame(frame, receiver);
  } catch (error) {
    if (error instanceof CorruptError) return "corrupt";
    throw error;
  }
}

/** Where the payloads of an append begin. */
function payloadStart(frame: Uint8Array): number {
  const view = new DataView(frame.buffer);
  return frameHeaderBytes + view.getUint32(36) + view.getUint32(40) * 17 + 4;
}

/** Makes the checksum of a changed frame right again, so that only the validation behind it can refuse it. */
function resealed(frame: Uint8Array): Uint8Array {
  const checksum = payloadStart(frame) - 4;
  new DataView(frame.buffer).setUint32(checksum, crc32(frame.subarray(4, checksum)));
  return frame;
}

function changed(message: Message, change: (view: DataView, frame: Uint8Array) => void): Uint8Array {
  const frame = frameOf(message);
  change(new DataView(frame.buffer), frame);
  return resealed(frame);
}

/** An append that no codec of ours would write: `entries` bypass the assertions of the sender. */
function badAppend(entries: readonly Entry[]): Uint8Array {
  const frame = frameOf(appendOf(route, ...entries.map((entry) => entry.payload.length)));
  const view = new DataView(frame.buffer);
  const start = payloadStart(frame);
  const table = start - 4 - entries.length * 17;
  let payload = start;
  entries.forEach((entry, position) => {
    const row = table + position * 17;
    view.setUint32(row, Math.floor(entry.term / 0x1_0000_0000));
    view.setUint32(row + 4, entry.term >>> 0);
    view.setUint32(row + 13, entry.checksum);
    frame.set(entry.payload, payload);
    payload += entry.payload.length;
  });
  return resealed(frame);
}

describe("a frame", () => {
  sampleMessages(route).forEach((message, position) => {
    test(`decodes to what was sent: sample ${position}, ${message.kind}`, () => {
      expect(fateOf(frameOf(message))).toEqual({ kind: "message", message });
    });
  });

  test("is never longer than its bound", () => {
    for (const message of [...sampleMessages(route), appendOf(route, ...new Array<number>(100).fill(1))]) {
      expect(frameOf(message).length).toBeLessThanOrEqual(frameBytesBound(message));
    }
  });

  test("is laid out as documented, which other versions rely on", () => {
    const frame = frameOf({ kind: "TimeoutNow", group: 3, directory: 9, from: 1, to: 2, term: 7 });
    const hex = [...frame].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    expect(hex.slice(0, -8)).toBe(
      "0000002f" +
        "7072" +
        "02" +
        "0b" +
        "00000003" +
        "00000001" +
        "00000002" +
        clusterId +
        "00000003" +
        "00000000" +
        "920709",
    );
  });

  test("hands out payloads that are views of the received bytes", () => {
    const frame = frameOf(appendOf(route, 100));
    const decoded = fateOf(frame);
    if (decoded === "corrupt" || decoded.kind !== "message" || decoded.message.kind !== "AppendEntries")
      throw new Error("lost");
    expect(decoded.message.entries[0]?.payload.buffer === frame.buffer).toBe(true);
  });

  test("cut short anywhere is corrupt", () => {
    for (const message of sampleMessages(route)) {
      const frame = frameOf(message);
      for (let length = 0; length < frame.length; length++) {
        if (fateOf(frame.slice(0, length)) !== "corrupt") throw new Error(`${message.kind} cut to ${length} was taken`);
      }
    }
  });

  test("with bytes behind its end is corrupt", () => {
    for (const message of sampleMessages(route)) {
      expect(fateOf(Uint8Array.of(...frameOf(message), 0))).toBe("corrupt");
    }
  });

  test("with any one bit flipped is corrupt or foreign, never a message", () => {
    for (const message of sampleMessages(route)) {
      const frame = frameOf(message);
      for (let bit = 0; bit < frame.length * 8; bit++) {
        const mask = 1 << (bit & 7);
        const flipped = frame.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ mask;
        const fate = fateOf(flipped);
        if (fate !== "corrupt" && fate.kind !== "foreign") throw new Error(`${message.kind} took bit ${bit}`);
      }
    }
  });

  test("of random bytes is never a message", () => {
    const random = seededRandom(1);
    for (let round = 0; round < 20_000; round++) {
      const bytes = Uint8Array.from({ length: random.integer(0, 200) }, () => random.integer(0, 255));
      const fate = fateOf(bytes);
      expect(fate === "corrupt" || fate.kind === "foreign").toBe(true);
    }
  });

  test("with a valid checksum around random bytes decodes or is corrupt, and breaks nothing", () => {
    const random = seededRandom(2);
    const seen = { corrupt: 0, message: 0, foreign: 0 };
    const samples = sampleMessages(route).map((message) => frameOf(message));
    for (let round = 0; round < 50_000; round++) {
      const frame = Uint8Array.from(samples[round % samples.length] ?? []);
      const checksum = payloadStart(frame) - 4;
      const changes = random.integer(1, 4);
      for (let i = 0; i < changes; i++) frame[random.integer(frameHeaderBytes, checksum - 1)] = random.integer(0, 255);
      if (random.next() < 0.3) frame[7] = random.integer(0, 15);
      const fate = fateOf(resealed(frame));
      seen[fate === "corrupt" ? "corrupt" : fate.kind]++;
      if (fate !== "corrupt" && fate.kind === "message")
        expect(JSON.stringify(fate.message).replace('"received":null', "").includes("null")).toBe(false);
    }
    expect(seen.corrupt).toBeGreaterThan(10_000);
    expect(seen.message).toBeGreaterThan(100);
  });
});

describe("a frame is foreign", () => {
  const heartbeat: Message = { kind: "Heartbeat", ...route, term: 1, commitIndex: 0, round: 1, session: 1 };

  test("when it is of another protocol", () => {
    expect(fateOf(changed(heartbeat, (view) => view.setUint16(4, 0x4745)))).toEqual({
      kind: "foreign",
      reason: "magic",
    });
  });

  test("when it is of another version", () => {
    expect(fateOf(changed(heartbeat, (view) => view.setUint8(6, 1)))).toEqual({ kind: "foreign", reason: "version" });
  });

  test("when it is of another cluster", () => {
    expect(fateOf(frameOf(heartbeat, otherClusterId))).toEqual({ kind: "foreign", reason: "cluster" });
  });

  test("when it is for another receiver", () => {
    expect(fateOf(frameOf({ ...heartbeat, to: 3 }))).toEqual({ kind: "foreign", reason: "receiver" });
  });

  test("when its sender is unknown or the receiver itself", () => {
    expect(fateOf(frameOf({ ...heartbeat, from: 4 }))).toEqual({ kind: "foreign", reason: "sender" });
    expect(fateOf(frameOf({ ...heartbeat, from: 0 }))).toEqual({ kind: "foreign", reason: "sender" });
    expect(fateOf(frameOf({ ...heartbeat, from: 2 }))).toEqual({ kind: "foreign", reason: "sender" });
  });
});

describe("behind a valid checksum, a frame is corrupt (rule L14)", () => {
  const entry = (index: number, term: number, length = 4): Entry =>
    makeEntry({ index, term, kind: "commands", payload: makePayload(length) });

  test("sanity: a batch put together by hand is taken when it is right", () => {
    const fate = fateOf(badAppend([entry(10, 3), entry(11, 5)]));
    expect(fate !== "corrupt" && fate.kind === "message").toBe(true);
  });

  test("when the term of an entry is above the message's", () => {
    expect(fateOf(badAppend([entry(10, 6)]))).toBe("corrupt");
  });

  test("when the term of an entry is below the previous one's", () => {
    expect(fateOf(badAppend([entry(10, 2)]))).toBe("corrupt");
    expect(fateOf(badAppend([entry(10, 5), entry(11, 4)]))).toBe("corrupt");
  });

  test("when an entry does not stand where its checksum says: a gap, or a change of order", () => {
    expect(fateOf(badAppend([entry(11, 4)]))).toBe("corrupt");
    expect(fateOf(badAppend([entry(11, 4), entry(10, 4)]))).toBe("corrupt");
  });

  test("when the term of an entry is 2^53 or more", () => {
    expect(fateOf(badAppend([{ ...entry(10, 4), term: 2 ** 53 }]))).toBe("corrupt");
  });

  test("when an index passes 2^53", () => {
    const append = appendOf(route, 0);
    if (append.kind !== "AppendEntries") throw new Error("not an append");
    const last: Message = {
      ...append,
      previous: { index: Number.MAX_SAFE_INTEGER - 1, term: 3 },
      entries: [makeEntry({ index: Number.MAX_SAFE_INTEGER, term: 4, kind: "noop", payload: makePayload(0) })],
    };
    expect(fateOf(frameOf(last)) === "corrupt").toBe(false);
    const { checksum } = makeEntry({ index: 2 ** 53, term: 4, kind: "noop", payload: makePayload(0) });
    const beyond = changed(last, (view, frame) => {
      frame.set([0xff], frameHeaderBytes + 10); // the last byte of the previous index, now the greatest integer of all
      view.setUint32(payloadStart(frame) - 8, checksum);
    });
    expect(fateOf(beyond)).toBe("corrupt");
  });

  test("when the previous entry is of a later term than the message", () => {
    const beyond = changed(appendOf(route), (_view, frame) => frame.set([6], frameHeaderBytes + 4));
    expect(fateOf(beyond)).toBe("corrupt");
  });

  test("when a payload was damaged, though nothing else was", () => {
    const frame = frameOf(appendOf(route, 50));
    frame[frame.length - 1] = (frame[frame.length - 1] ?? 0) ^ 1;
    expect(fateOf(frame)).toBe("corrupt");
  });

  test("when the payload lengths leave bytes over or ask for too many", () => {
    for (const length of [49, 51, 0xffff_ffff]) {
      const frame = changed(appendOf(route, 50), (view, bytes) => view.setUint32(payloadStart(bytes) - 4 - 8, length));
      expect(fateOf(frame)).toBe("corrupt");
    }
    const over = Uint8Array.of(...frameOf(appendOf(route, 50)), 0);
    new DataView(over.buffer).setUint32(0, over.length - 4);
    expect(fateOf(resealed(over))).toBe("corrupt");
  });

  test("when the kind of a message or of an entry is unknown", () => {
    const append = appendOf(route);
    if (append.kind !== "AppendEntries") throw new Error("not an append");
    const noop = makeEntry({ index: 10, term: 4, kind: "noop", payload: makePayload(0) });
    for (const kind of [0, 12, 255]) {
      const fateOfKind = fateOf(changed(timeoutNow, (view) => view.setUint8(7, kind)));
      if (kind < 255) expect(fateOfKind).toBe("corrupt");
      else expect(fateOfKind).toEqual({ kind: "foreign", reason: "newer" }); // rule X4
      const entryKindAt = (frame: Uint8Array): number => payloadStart(frame) - 4 - 9;
      const frame = changed({ ...append, entries: [noop] }, (view, bytes) => view.setUint8(entryKindAt(bytes), kind));
      const fate = fateOf(frame);
      if (kind === 0) expect(fate).toBe("corrupt");
      else
        expect(fate).toMatchObject({
          message: { entries: [], unreadable: `an entry of kind ${kind}, and this proa knows only those up to 3` },
        });
    }
  });

  test("X4: a batch ends before the first entry that a newer program has made, and says so", () => {
    const append = appendOf(route);
    if (append.kind !== "AppendEntries") throw new Error("not an append");
    const newer = encodeMembership(newMembership({ voters: [1] }));
    newer[0] = 9;
    const entries = [
      makeEntry({ index: 10, term: 4, kind: "noop", payload: makePayload(0) }),
      makeEntry({ index: 11, term: 4, kind: "membership", payload: newer }),
      makeEntry({ index: 12, term: 4, kind: "noop", payload: makePayload(0) }),
    ];
    const unreadable = "a configuration of version 9, and this proa knows only those up to 2";
    expect(fateOf(frameOf({ ...append, entries }))).toEqual({
      kind: "message",
      message: { ...append, entries: entries.slice(0, 1), unreadable },
    });
  });

  test("when a kind without entries has some, or only a payload", () => {
    const plain = frameOf(timeoutNow);
    const withPayload = Uint8Array.of(...plain, 1);
    new DataView(withPayload.buffer).setUint32(0, withPayload.length - 4);
    expect(fateOf(withPayload)).toBe("corrupt");
    const withRow = Uint8Array.of(...plain, ...new Uint8Array(17));
    new DataView(withRow.buffer).setUint32(0, withRow.length - 4);
    new DataView(withRow.buffer).setUint32(40, 1);
    expect(fateOf(resealed(withRow))).toBe("corrupt");
  });

  test("when a field is negative, fractional, too large, of another type, missing or one too many", () => {
    const bytesOfTerm = {
      negative: [0x92, 0xff, 9],
      fractional: [0x92, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 9],
      tooLarge: [0x92, 0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0, 9],
      roundedTooLarge: [0x92, 0xcf, 0, 0x20, 0, 0, 0, 0, 0, 1, 9],
      infinite: [0x92, 0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0, 9],
      flag: [0x92, 0xc3, 9],
      nil: [0x92, 0xc0, 9],
      text: [0x92, 0xa1, 0x37, 9],
      emptyText: [0x92, 0xa0, 9],
      map: [0x81, 0x01, 0x07],
      nested: [0x92, 0x91, 0x07, 9],
      timestamp: [0x92, 0xd6, 0xff, 0, 0, 0, 1, 9],
      missing: [0x91, 7],
      oneTooMany: [0x93, 7, 9, 7],
      notAnArray: [7],
      nilForAnArray: [0xc0],
      empty: [],
      trailing: [0x92, 7, 9, 7],
      cutShort: [0x92, 7],
      hugeArray: [0xdd, 0xff, 0xff, 0xff, 0xff],
      hugeText: [0x92, 0xdb, 0xff, 0xff, 0xff, 0xff, 9],
      reserved: [0x92, 0xc1, 9],
    };
    expect(fateOf(timeoutNowWithHead([0x92, 0xcf, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 9]))).toEqual({
      kind: "message",
      message: { kind: "TimeoutNow", ...route, term: Number.MAX_SAFE_INTEGER },
    });
    for (const [what, head] of Object.entries(bytesOfTerm)) {
      const fate = fateOf(timeoutNowWithHead(head));
      if (fate !== "corrupt") throw new Error(`a ${what} field was taken`);
    }
  });

  test("when its head is longer than any message needs, however deep it nests", () => {
    const long = timeoutNowWithHead(new Array<number>(100_000).fill(0x9f));
    expect(() => decodeFrame(long, receiver)).toThrow("a head above the limit");
    expect(fateOf(timeoutNowWithHead(new Array<number>(250).fill(0x9f)))).toBe("corrupt");
  });
});

describe("a sender's mistake stops the sender", () => {
  const first = makeEntry({ index: 10, term: 4, kind: "commands", payload: makePayload(1) });
  const append = appendOf(route);
  if (append.kind !== "AppendEntries") throw new Error("not an append");

  test("when entries do not follow the previous one", () => {
    expect(() => frameOf({ ...append, previous: { index: 8, term: 3 }, entries: [first] })).toThrow("gap");
  });

  test("when terms are out of order", () => {
    expect(() => frameOf({ ...append, previous: { index: 9, term: 5 }, entries: [first] })).toThrow("order");
    expect(() => frameOf({ ...append, term: 3, entries: [first] })).toThrow("order");
  });

  test("when a number does not fit", () => {
    expect(() => frameOf({ ...append, commitIndex: 2 ** 53 })).toThrow("range");
    expect(() => frameOf({ ...append, commitIndex: 1.5 })).toThrow("range");
    expect(() => frameOf({ ...append, commitIndex: -1 })).toThrow("range");
    expect(() => frameOf({ ...append, group: 2 ** 32 })).toThrow("32 bits");
  });
});

/** A whole and well-sealed frame around any head at all. */
function timeoutNowWithHead(head: readonly number[]): Uint8Array {
  const model = frameOf(timeoutNow);
  const frame = new Uint8Array(frameHeaderBytes + head.length + 4);
  frame.set(model.subarray(0, frameHeaderBytes));
  frame.set(head, frameHeaderBytes);
  const view = new DataView(frame.buffer);
  view.setUint32(0, frame.length - 4);
  view.setUint32(36, head.length);
  return resealed(frame);
}
