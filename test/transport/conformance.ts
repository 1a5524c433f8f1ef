/** What every transport must do, whatever carries it: one suite, run on each implementation. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../src/lib/random.ts";
import type { Message } from "../../src/raft/mod.ts";
import type { Transport } from "../../src/transport/mod.ts";
import { appendOf, clusterId, otherClusterId, sampleMessages } from "../wire/sample_messages.ts";
import { heartbeat, roundOf } from "./frames.ts";

/** Two nodes, 1 and 2, that can reach each other, and what a test may do to them. */
export interface World {
  readonly transports: Readonly<Record<1 | 2, Transport>>;
  /** Lets things happen until `condition` holds; fails when it does not within a bound. */
  readonly until: (condition: () => boolean) => Promise<void>;
  /** What carries `message` alone, as a stranger could make it. */
  readonly bytesOf: (message: Message) => Uint8Array;
  /** Brings bytes to node `to` as a stranger could, perhaps on a connection of their own. */
  readonly inject: (to: 1 | 2, bytes: Uint8Array) => void;
  readonly close: () => void;
}

export interface WorldOptions {
  /** Of node 1; node 2 is always of {@link clusterId}. */
  readonly clusterIdOf1: string;
}

export function transportConformance(name: string, open: (options: WorldOptions) => Promise<World>): void {
  const inWorld = async (
    run: (world: World) => Promise<void>,
    options = { clusterIdOf1: clusterId },
  ): Promise<void> => {
    const world = await open(options);
    try {
      await run(world);
    } finally {
      world.close();
    }
  };

  describe(`a transport (${name})`, () => {
    test("delivers every kind of message as it was sent, both ways", () =>
      inWorld(async ({ transports, until }) => {
        for (const [from, to] of [
          [1, 2],
          [2, 1],
        ] as const) {
          const received = collect(transports[to]);
          const sent = sampleMessages({ from, to });
          transports[from].send(sent);
          await until(() => received.length >= sent.length);
          expectSame(received, sent);
        }
      }));

    test("delivers payloads of megabytes, small frames before and behind them", () =>
      inWorld(async ({ transports, until }) => {
        const received = collect(transports[2]);
        const sent = [
          heartbeat({ to: 2, round: 1 }),
          appendOf({ group: 0, from: 1, to: 2 }, 3_000_000),
          appendOf({ group: 0, from: 1, to: 2 }, 20, 20_000, 0, 200_000, 5),
          heartbeat({ to: 2, round: 2 }),
        ];
        transports[1].send(sent);
        await until(() => received.length >= sent.length);
        expectSame(received, sent);
      }));

    test("delivers thousands of messages in order while nothing is wrong", () =>
      inWorld(async ({ transports, until }) => {
        const received = collect(transports[2]);
        const count = 5000;
        for (let round = 1; round <= count; round += 50) {
          transports[1].send(Array.from({ length: 50 }, (_, offset) => heartbeat({ to: 2, round: round + offset })));
        }
        await until(() => received.length >= count);
        expect(received.map(roundOf)).toEqual(Array.from({ length: count }, (_, position) => position + 1));
        expect(transports[1].counters.messagesSent).toBe(count);
        expect(transports[1].counters.messagesDropped).toBe(0);
        expect(transports[2].counters.messagesReceived).toBe(count);
        expect(transports[2].counters.bytesReceived).toBe(transports[1].counters.bytesSent);
      }));

    test("says that a healthy peer is connected", () =>
      inWorld(async ({ transports }) => {
        expect(transports[1].connected(2)).toBe(true);
        await Promise.resolve();
      }));

    test("drops and counts what is for an unknown node", () =>
      inWorld(async ({ transports, until }) => {
        const received = collect(transports[2]);
        transports[1].send([heartbeat({ to: 9, round: 1 }), heartbeat({ to: 2, round: 2 })]);
        await until(() => received.length >= 1);
        expect(received.map(roundOf)).toEqual([2]);
        expect(transports[1].counters.messagesDropped).toBe(1);
      }));

    test("counts messages of another cluster and delivers none", () =>
      inWorld(
        async ({ transports, until }) => {
          const received = collect(transports[2]);
          transports[1].send([heartbeat({ to: 2, round: 1 })]);
          await until(() => transports[2].counters.framesForeign > 0);
          expect(received).toEqual([]);
          expect(transports[2].counters.framesCorrupt).toBe(0);
        },
        { clusterIdOf1: otherClusterId },
      ));

    test("counts a frame for another receiver or from the receiver itself, and delivers none", () =>
      inWorld(async ({ transports, inject, bytesOf, until }) => {
        const received = collect(transports[2]);
        inject(2, bytesOf(heartbeat({ to: 3, round: 1 })));
        inject(2, bytesOf({ ...heartbeat({ to: 2, round: 1 }), from: 2 }));
        await until(() => transports[2].counters.framesForeign === 2);
        expect(received).toEqual([]);
      }));

    test("survives a hundred thousand random bytes: a counter moves, nothing else", () =>
      inWorld(async ({ transports, inject, until }) => {
        const random = seededRandom(5);
        const received = collect(transports[2]);
        for (let count = 0; count < 2; count++) {
          inject(
            2,
            Uint8Array.from({ length: 50_000 }, () => random.integer(0, 255)),
          );
        }
        await until(() => refusedFrames(transports[2]) > 0);
        transports[1].send([heartbeat({ to: 2, round: 1 })]);
        await until(() => received.length > 0);
        expect(received).toEqual([heartbeat({ to: 2, round: 1 })]);
      }));

    test("counts a damaged frame and does not deliver it", () =>
      inWorld(async ({ transports, inject, bytesOf, until }) => {
        const received = collect(transports[2]);
        const frame = bytesOf(appendOf({ group: 0, from: 1, to: 2 }, 100));
        for (const position of [50, frame.length - 1]) {
          const damaged = frame.slice();
          damaged[position] = (damaged[position] ?? 0) ^ 0x10;
          const before = transports[2].counters.framesCorrupt;
          inject(2, damaged);
          await until(() => transports[2].counters.framesCorrupt > before);
        }
        expect(received).toEqual([]);
      }));

    test("is quiet once it is closed: nothing comes, nothing is thrown, what is sent is dropped", () =>
      inWorld(async ({ transports, until }) => {
        const received = collect(transports[1]);
        const alive = collect(transports[2]);
        transports[2].send([heartbeat({ from: 2, to: 1, round: 1 })]);
        transports[1].close();
        transports[1].close();
        transports[1].send([heartbeat({ to: 2, round: 2 })]);
        expect(transports[1].counters.messagesDropped).toBe(1);
        await until(() => {
          transports[2].send([heartbeat({ from: 2, to: 1, round: 3 })]);
          return transports[2].counters.messagesDropped > 0;
        });
        expect(received).toEqual([]);
        expect(alive).toEqual([]);
      }));

    test("may be closed by the very message it delivers", () =>
      inWorld(async ({ transports, until }) => {
        const rounds: number[] = [];
        transports[2].onMessage = (message) => {
          rounds.push(roundOf(message));
          transports[2].close();
        };
        transports[1].send([heartbeat({ to: 2, round: 1 }), heartbeat({ to: 2, round: 2 })]);
        await until(() => rounds.length > 0);
        await until(() => {
          transports[1].send([heartbeat({ to: 2, round: 3 })]);
          return transports[1].counters.messagesDropped > 0;
        });
        expect(rounds).toEqual([1]);
      }));

    test("refuses to send in the name of another", () =>
      inWorld(async ({ transports }) => {
        expect(() => transports[1].send([heartbeat({ from: 2, to: 1, round: 1 })])).toThrow("own name");
        await Promise.resolve();
      }));
  });
}

/** Each message once, whatever the order: messages of one kind keep theirs, and no kind has to wait for another. */
function expectSame(received: readonly Message[], sent: readonly Message[]): void {
  const byKind = (messages: readonly Message[]): readonly Message[] =>
    messages.toSorted((a, b) => (a.kind < b.kind ? -1 : Number(a.kind > b.kind)));
  expect(byKind(received)).toEqual([...byKind(sent)]);
}

/** Everything that `transport` delivers from now on. */
export function collect(transport: Transport): Message[] {
  const received: Message[] = [];
  transport.onMessage = (message) => {
    received.push(message);
  };
  return received;
}

export function refusedFrames(transport: Transport): number {
  return transport.counters.framesCorrupt + transport.counters.framesForeign;
}
