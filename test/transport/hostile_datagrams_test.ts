/** What somebody can achieve who floods a node with datagrams: without a key and blind, or with a key and seeing everything. */
import { describe, expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { ClusterKey, KeySeal, type Seal } from "../../src/transport/mod.ts";
import { writeBye, writeHello, writePiece } from "../../src/transport/datagram_sections.ts";
import { clusterIdBytes } from "../../src/wire/mod.ts";
import { appendOf, clusterId } from "../wire/sample_messages.ts";
import { flipped, forged, forgedHello, noise, truncated } from "./attacker.ts";
import { DatagramWorld, type Party } from "./datagram_world.ts";
import { heartbeat, roundOf } from "./frames.ts";

const cluster = clusterIdBytes(clusterId);
const route = { group: 0, from: 1, to: 2 };
const secret = new TextEncoder().encode("a secret of more than thirty-two bytes");
const newSeal = (): KeySeal => new KeySeal(new ClusterKey(secret), cluster);

/** All datagrams that came and were dropped, by the reason that `proa node status` shows. */
function refused({ counters }: Party): number {
  const { framesForeign, framesCorrupt, datagramsRepeated, datagramsStale, greetingsReceived } = counters;
  return framesForeign + framesCorrupt + datagramsRepeated + datagramsStale + greetingsReceived;
}

/** Everything that node 2 was sent so far, as somebody between the nodes has it. */
function recordingOf(world: DatagramWorld): readonly Uint8Array[] {
  return world.recorded.filter(({ to }) => to === 2).map(({ datagram }) => datagram);
}

function oneOf<T>(list: readonly T[], at: number): T {
  const one = list[at];
  if (one === undefined) throw new Error("an empty list");
  return one;
}

for (const [name, seal] of [
  ["without a key", undefined],
  ["with a key", newSeal()],
] as const) {
  describe(`twenty thousand hostile datagrams ${name}`, () => {
    const random = seededRandom(20);
    const kinds: Readonly<Record<string, (recording: readonly Uint8Array[]) => Uint8Array>> = {
      "made up": () => noise(random),
      "forged greetings": () => forgedHello(cluster, { from: 1, to: 2 }, random),
      "of no session": () => {
        const head = { from: 1, to: 2, boot: random.integer(1, 2 ** 52), token: random.integer(1, 2 ** 52), number: 9 };
        return forged(cluster, head, writeBye);
      },
      truncated: (recording) => truncated(oneOf(recording, random.integer(0, recording.length - 1)), random),
      "with a bit changed": (recording) => flipped(oneOf(recording, random.integer(0, recording.length - 1)), random),
      replayed: (recording) => oneOf(recording, random.integer(0, recording.length - 1)),
    };
    for (const [kind, make] of Object.entries(kinds)) {
      test(`${kind}: nothing is delivered, nothing is kept, all are counted, and the cluster's own go on`, () => {
        const [world, one, two] = DatagramWorld.pair(20, {}, seal);
        for (let round = 1; round <= 30; round++) {
          world.send(one, [heartbeat({ to: 2, round }), appendOf(route, round * 200)]);
          world.pass(20);
        }
        expect(two.received.length).toBe(60);
        const recording = recordingOf(world);
        const before = { ...two.counters };
        const refusedBefore = refused(two);
        const count = Math.ceil(20_000 / Object.keys(kinds).length);
        for (let sent = 0; sent < count; sent++) {
          world.inject(2, make(recording));
          if (sent % 300 === 0) world.pass(10);
        }
        for (const name of ["messagesReceived", "bytesReceived", "connectionsOpened", "framesUnfinished"] as const)
          expect(two.counters[name]).toBe(before[name]);
        expect(two.counters.datagramsReceived - before.datagramsReceived).toBeGreaterThan(count - 1);
        expect(refused(two) - refusedBefore).toBe(count);
        expect(two.endpoint.keptBytes).toBe(0);
        expect(two.endpoint.connected(1)).toBe(true);
        world.send(one, [heartbeat({ to: 2, round: 31 }), appendOf(route, 100_000)]);
        world.until(() => two.received.length === 62, 1000);
      });
    }
  });
}

describe("greetings by the thousand from somebody who sees nothing", () => {
  const floodPerMs = 12;
  const random = seededRandom(7);
  const calls = [2, 1].map((from) =>
    Array.from({ length: 5000 }, () => forgedHello(cluster, { from, to: 3 - from }, random)),
  );

  /** Time passes while `to` are flooded with calls in each other's name. */
  function flood(world: DatagramWorld, to: readonly number[], untilWhat: () => boolean, limitMs: number): void {
    const end = world.now + limitMs;
    while (!untilWhat()) {
      if (world.now > end) throw new Error(`never held under the flood: ${untilWhat.toString()}`);
      for (const id of to) {
        for (let count = 0; count < floodPerMs; count++)
          world.inject(id, oneOf(calls[id - 1] ?? [], random.integer(0, 4999)));
      }
      world.pass(1);
    }
  }

  test("do not keep two nodes apart that start, whichever of them is flooded, or both", () => {
    for (const flooded of [[1], [2], [1, 2]]) {
      const world = new DatagramWorld(flooded.length);
      const one = world.start(1, [2]);
      const two = world.start(2, [1]);
      flood(world, flooded, () => one.endpoint.connected(2) && two.endpoint.connected(1), 5000);
    }
  });

  test("do not part two that have met, nor keep one away that starts again", () => {
    const [world, one, two] = DatagramWorld.pair(3);
    const opened = two.counters.connectionsOpened;
    const end = world.now + 4000;
    flood(world, [1, 2], () => world.now > end, 5000);
    expect(one.endpoint.connected(2) && two.endpoint.connected(1)).toBe(true);
    expect(two.counters.connectionsOpened).toBe(opened);
    world.vanish(1);
    const again = world.start(1, [2]);
    flood(world, [1, 2], () => two.counters.connectionsOpened > opened && again.endpoint.connected(2), 6000);
    world.send(again, [heartbeat({ to: 2, round: 1 })]);
    flood(world, [1, 2], () => two.received.length > 0, 1000);
    expect(two.received.map(roundOf)).toEqual([1]);
  });

  test("are answered by fewer bytes than they have themselves, and datagrams of no session by next to none", () => {
    const [world, , two] = DatagramWorld.pair(4);
    const bytesFrom2 = (since: number): number =>
      world.recorded.slice(since).reduce((bytes, { to, datagram }) => bytes + (to === 1 ? datagram.length : 0), 0);
    let since = world.recorded.length;
    let bytes = 0;
    for (let ms = 0; ms < 1000; ms++) {
      for (let count = 0; count < 3; count++) {
        const call = oneOf(calls[1] ?? [], ms * 3 + count);
        bytes += call.length;
        world.inject(2, call);
      }
      world.pass(1);
    }
    expect(bytesFrom2(since)).toBeLessThan(bytes);
    since = world.recorded.length;
    const sent = two.counters.datagramsSent;
    for (let ms = 0; ms < 1000; ms++) {
      const head = { from: 1, to: 2, boot: 1, token: 2, number: ms + 1 };
      for (let count = 0; count < 3; count++) world.inject(2, forged(cluster, head, writeBye));
      world.pass(1);
    }
    expect(two.counters.datagramsSent - sent).toBeLessThan(20);
  });
});

test("a stranger's datagram is read as far as its greeting, and not at all without one", () => {
  const [world, , two] = DatagramWorld.pair(5);
  const head = { from: 1, to: 2, boot: 1, token: 0, number: 1 };
  const thousands = (writer: ByteWriter): void => {
    for (let count = 0; count < 60_000; count++) writeBye(writer);
    writer.u8(99); // no section begins so: whoever comes here has read them all
  };
  const { greetingsReceived } = two.counters;
  world.inject(2, forged(cluster, head, thousands));
  const greeting = (writer: ByteWriter): void => {
    writeHello(writer, { isQuestion: true, challenge: 1, answer: 0, offer: 1 });
    thousands(writer);
  };
  world.inject(2, forged(cluster, head, greeting));
  expect(two.counters.framesCorrupt).toBe(0);
  expect(two.counters.datagramsStale).toBe(1);
  expect(two.counters.greetingsReceived - greetingsReceived).toBe(1);
});

describe("unsealing costs more than all else", () => {
  /** A seal that counts what it unseals. */
  function counting(): Seal & { opened: number } {
    const seal = newSeal();
    return {
      kind: seal.kind,
      tagBytes: seal.tagBytes,
      opened: 0,
      close: (writer, head) => seal.close(writer, head),
      open(datagram, head) {
        this.opened++;
        return seal.open(datagram, head);
      },
    };
  }

  test("so what has come before is not unsealed, whole or damaged", () => {
    const seal = counting();
    const [world, one, two] = DatagramWorld.pair(9, {}, seal);
    for (let round = 1; round <= 10; round++) {
      world.send(one, [heartbeat({ to: 2, round }), appendOf(route, round * 200)]);
      world.pass(20);
    }
    const recording = recordingOf(world).slice(-10);
    const { datagramsRepeated } = two.counters;
    seal.opened = 0;
    for (let count = 0; count < 1000; count++) {
      const datagram = oneOf(recording, count % 10).slice();
      if (count >= 500) datagram[60] = ~(datagram[60] ?? 0); // behind the head
      world.inject(2, datagram);
    }
    expect(seal.opened).toBe(0);
    expect(two.counters.datagramsRepeated - datagramsRepeated).toBe(1000);
  });

  test("so strangers get a share of each turn, and those of the peer that starts again are among them", () => {
    const seal = counting();
    const [world, , two] = DatagramWorld.pair(10, {}, seal);
    const random = seededRandom(10);
    world.pass(100); // all that they greet each other with has come
    const { datagramsStale } = two.counters;
    const flood = (): void => {
      for (let count = 0; count < 2000; count++) {
        const head = { from: 1, to: 2, boot: random.integer(1, 2 ** 52), token: random.integer(1, 2 ** 52), number: 9 };
        const datagram = forged(cluster, head, writeBye);
        datagram[3] = seal.kind;
        world.inject(2, datagram);
      }
    };
    seal.opened = 0;
    flood();
    expect(seal.opened).toBe(500);
    expect(two.counters.datagramsStale - datagramsStale).toBe(1500);
    world.vanish(1);
    const again = world.start(1, [2]);
    world.until(() => {
      flood();
      return again.endpoint.connected(2) && two.counters.connectionsOpened === 2;
    }, 10_000);
  });
});

describe("somebody who sees everything", () => {
  test("and replays the calls of this life under a key does not end it", () => {
    const [world, one, two] = DatagramWorld.pair(6, {}, newSeal());
    const calls = recordingOf(world);
    for (let ms = 0; ms < 8000; ms += 4) {
      for (const call of calls) world.inject(2, call);
      world.pass(4);
    }
    expect(two.counters.connectionsOpened).toBe(1);
    expect(one.counters.connectionsOpened).toBe(1);
    expect(one.endpoint.connected(2) && two.endpoint.connected(1)).toBe(true);
  });

  /** What the head of the last datagram to node 2 says of its session: enough to forge one where there is no key. */
  function sessionOf(world: DatagramWorld): { readonly boot: number; readonly token: number } {
    const last = recordingOf(world).at(-1) ?? new Uint8Array(0);
    const view = new DataView(last.buffer, last.byteOffset);
    return { boot: Number(view.getBigUint64(28)), token: Number(view.getBigUint64(36)) };
  }

  test("crashes nothing without a key by a datagram with number 0", () => {
    const [world, one, two] = DatagramWorld.pair(7);
    world.send(one, [heartbeat({ to: 2, round: 1 })]);
    world.until(() => two.received.length === 1);
    world.inject(2, forged(cluster, { from: 1, to: 2, ...sessionOf(world), number: 0 }, writeBye));
    expect(two.counters.framesCorrupt).toBe(1);
    expect(two.endpoint.connected(1)).toBe(true);
  });

  test("cannot make a node keep more than its limit by frames that hold nothing", () => {
    const limits = { assemblyBytesMax: 100_000, frameBytesMax: 50_000 };
    const [world, one, two] = DatagramWorld.pair(8, { limits });
    world.send(one, [heartbeat({ to: 2, round: 1 })]);
    world.until(() => two.received.length === 1);
    const session = sessionOf(world);
    for (let count = 0; count < 5000; count++) {
      const datagram = forged(cluster, { from: 1, to: 2, ...session, number: 1000 + count }, (writer) => {
        for (let at = 0; at < 50; at++) {
          const number = 2 + count * 50 + at;
          const piece = { isOrdered: true, number, frameBytes: 0, fragmentBytes: 0, which: 0 };
          writePiece(writer, { ...piece, source: new Uint8Array(0), start: 0, end: 0 });
        }
      });
      world.inject(2, datagram);
    }
    expect(two.endpoint.keptBytes).toBeGreaterThan(50_000);
    expect(two.endpoint.keptBytes).toBeLessThan(100_001);
    expect(two.counters.framesUnfinished).toBeGreaterThan(240_000);
    world.pass(2000); // what waits is given up, however much it is
    expect(two.endpoint.keptBytes).toBe(0);
    expect(two.received.length).toBe(1);
  });
});

test("datagrams under other keys cost no key that is in use", () => {
  let derived = 0;
  class CountingKey extends ClusterKey {
    override datagramKey(...parameters: Parameters<ClusterKey["datagramKey"]>): Buffer {
      derived++;
      return super.datagramKey(...parameters);
    }
  }
  const seal = new KeySeal(new CountingKey(secret), cluster);
  const head = { from: 1, to: 2, boot: 3, token: 4, number: 5 };
  const sealed = (): Uint8Array => {
    const writer = new ByteWriter();
    writer.bytes(new Uint8Array(184));
    return newSeal().close(writer, head);
  };
  expect(seal.open(sealed(), head) === null).toBe(false);
  for (let boot = 100; boot < 1100; boot++) expect(seal.open(sealed(), { ...head, boot })).toBe(null);
  derived = 0;
  expect(seal.open(sealed(), head) === null).toBe(false);
  expect(derived).toBe(0);
});
