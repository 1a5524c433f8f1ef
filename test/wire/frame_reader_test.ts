import { describe, expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { seededRandom } from "../../src/lib/random.ts";
import type { Message } from "../../src/raft/mod.ts";
import { clusterIdBytes, FrameReader, frameHeaderBytes, writeFrame } from "../../src/wire/mod.ts";
import { appendOf, clusterId, otherClusterId, sampleMessages } from "./sample_messages.ts";

const receiver = { self: 2, clusterId: clusterIdBytes(clusterId), peers: new Set([1, 3]) };
const route = { group: 0, from: 1, to: 2 };
const frameBytesMax = 4 * 1024 * 1024;

function streamOf(messages: readonly Message[], cluster = clusterId): Uint8Array {
  const writer = new ByteWriter();
  for (const message of messages) writeFrame(writer, message, clusterIdBytes(cluster));
  return writer.take();
}

/** All messages that are complete after `chunk`. A foreign frame is a failure. */
function feed(reader: FrameReader, chunk: Uint8Array): Message[] {
  const messages: Message[] = [];
  reader.push(chunk);
  for (let next = reader.next(); next !== null; next = reader.next()) {
    if (next.kind === "foreign") throw new Error(`foreign: ${next.reason}`);
    messages.push(next.message);
  }
  return messages;
}

/** Feeds `stream` in pieces whose lengths `next` tells. */
function feedInPieces(reader: FrameReader, stream: Uint8Array, next: () => number): Message[] {
  const messages: Message[] = [];
  for (let offset = 0; offset < stream.length;) {
    const end = Math.min(offset + next(), stream.length);
    messages.push(...feed(reader, stream.slice(offset, end)));
    offset = end;
  }
  return messages;
}

function payloadOf(message: Message | undefined): Uint8Array {
  const entry = message?.kind === "AppendEntries" ? message.entries[0] : undefined;
  if (entry === undefined) throw new Error("no entry");
  return entry.payload;
}

describe("a stream of frames", () => {
  const messages = sampleMessages(route);
  const stream = streamOf(messages);

  test("reads the same however it is cut in two", () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const reader = new FrameReader(receiver, frameBytesMax);
      const read = [...feed(reader, stream.slice(0, cut)), ...feed(reader, stream.slice(cut))];
      if (read.length !== messages.length) throw new Error(`cut at ${cut}: ${read.length} messages`);
      expect(read).toEqual([...messages]);
      expect(reader.partial).toBe(false);
    }
  });

  test("reads the same in pieces of any size", () => {
    const random = seededRandom(3);
    for (const largest of [1, 3, 43, 44, 45, 100, 1000]) {
      const reader = new FrameReader(receiver, frameBytesMax);
      expect(feedInPieces(reader, stream, () => random.integer(1, largest))).toEqual([...messages]);
    }
  });

  test("yields a message with the very byte that completes it, and says while it waits for one", () => {
    const reader = new FrameReader(receiver, frameBytesMax);
    const frame = streamOf([appendOf(route, 30)]);
    for (let i = 0; i < frame.length - 1; i++) {
      expect(feed(reader, frame.slice(i, i + 1))).toEqual([]);
      expect(reader.partial).toBe(true);
    }
    expect(feed(reader, frame.slice(-1)).length).toBe(1);
    expect(reader.partial).toBe(false);
  });

  test("costs no more than linear time for a large frame in tiny pieces", () => {
    const message = appendOf(route, 3_000_000);
    const frame = streamOf([message]);
    const elapsed = (pieceBytes: number): number => {
      const startedMs = performance.now();
      expect(feedInPieces(new FrameReader(receiver, frameBytesMax), frame, () => pieceBytes)).toEqual([message]);
      return performance.now() - startedMs;
    };
    // 30,000 pieces: copying what came before with each would move 45 GB.
    expect(elapsed(100)).toBeLessThan(3000);
  });
});

describe("memory", () => {
  test("a frame that fills its chunk is not copied", () => {
    const chunk = streamOf([appendOf(route, 100_000)]);
    const [message] = feed(new FrameReader(receiver, frameBytesMax), chunk);
    expect(payloadOf(message).buffer === chunk.buffer).toBe(true);
  });

  test("a small payload does not keep a large chunk alive, not even through a view of a larger buffer", () => {
    const small = appendOf(route, 10);
    const stream = streamOf([small, appendOf(route, 100_000)]);
    const [first] = feed(new FrameReader(receiver, frameBytesMax), stream);
    expect(payloadOf(first).buffer.byteLength).toBeLessThan(500);

    const pool = new Uint8Array(65_536);
    const frame = streamOf([small]);
    pool.set(frame, 1000);
    const [second] = feed(new FrameReader(receiver, frameBytesMax), pool.subarray(1000, 1000 + frame.length));
    expect(payloadOf(second).buffer.byteLength).toBeLessThan(500);
    pool.fill(0);
    expect(second).toEqual(small);
  });

  test("payloads are plain Uint8Arrays even where the socket gives Buffers", () => {
    for (const length of [10, 100_000]) {
      const [message] = feed(
        new FrameReader(receiver, frameBytesMax),
        Buffer.from(streamOf([appendOf(route, length)])),
      );
      expect(Object.getPrototypeOf(payloadOf(message)) === Uint8Array.prototype).toBe(true);
    }
  });

  test("a length above the limit is refused before the frame is waited for", () => {
    const frame = streamOf([appendOf(route, 10)]);
    for (const length of [frameBytesMax - 3, 0x7fff_ffff, 0xffff_ffff]) {
      new DataView(frame.buffer).setUint32(0, length);
      expect(() => feed(new FrameReader(receiver, frameBytesMax), frame.slice(0, frameHeaderBytes))).toThrow(
        "above the limit",
      );
    }
  });

  test("a frame of exactly the limit is taken, one byte more is not", () => {
    const frame = streamOf([appendOf(route, 1000)]);
    expect(feed(new FrameReader(receiver, frame.length), frame).length).toBe(1);
    expect(() => feed(new FrameReader(receiver, frame.length - 1), frame)).toThrow("above the limit");
  });

  test("a length that leaves no room for the head is corrupt", () => {
    const frame = streamOf([appendOf(route, 10)]);
    for (const length of [0, 1, 40, 43]) {
      new DataView(frame.buffer).setUint32(0, length);
      expect(() => feed(new FrameReader(receiver, frameBytesMax), frame.slice())).toThrow("too short");
    }
  });
});

describe("what is not ours", () => {
  test("is told from the header alone", () => {
    const stranger = streamOf([appendOf(route, 1000)], otherClusterId).slice(0, frameHeaderBytes);
    for (const pieces of [[stranger], [stranger.slice(0, 20), stranger.slice(20)]]) {
      const reader = new FrameReader(receiver, frameBytesMax);
      const results = pieces.map((piece) => {
        reader.push(piece);
        return reader.next();
      });
      expect(results.at(-1)).toEqual({ kind: "foreign", reason: "cluster" });
    }
  });

  test("does not lose the messages before it", () => {
    const reader = new FrameReader(receiver, frameBytesMax);
    const good = appendOf(route, 10);
    reader.push(Uint8Array.of(...streamOf([good]), ...streamOf([good], otherClusterId)));
    expect(reader.next()).toEqual({ kind: "message", message: good });
    expect(reader.next()).toEqual({ kind: "foreign", reason: "cluster" });
  });

  test("is never a message, however random bytes are cut", () => {
    const random = seededRandom(4);
    for (let round = 0; round < 200; round++) {
      const reader = new FrameReader(receiver, frameBytesMax);
      const noise = Uint8Array.from({ length: 1000 }, () => random.integer(0, 255));
      expect(() => feedInPieces(reader, noise, () => random.integer(1, 100))).toThrow("foreign: magic");
    }
  });

  test("gives the memory of large chunks back at once, unless a payload lies in it", () => {
    const reader = new FrameReader(receiver, frameBytesMax);
    const message = appendOf(route, 50_000);
    const whole = streamOf([message]).slice();
    expect(feed(reader, whole)).toEqual([message]);
    expect(whole.length).toBeGreaterThan(50_000);
    const [head, tail] = [whole.slice(0, 20_000), whole.slice(20_000)];
    expect(feed(reader, head)).toEqual([]);
    expect([head.length, tail.length]).toEqual([0, whole.length - 20_000]);
    expect(feed(reader, tail)).toEqual([message]);
    expect(tail.length).toBe(0);
    const mostly = Uint8Array.of(...whole, ...streamOf([appendOf(route, 10)]));
    expect(feed(reader, mostly)).toEqual([message, appendOf(route, 10)]);
    expect(mostly.length).toBeGreaterThan(50_000);
  });
});
