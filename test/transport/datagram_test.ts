/** Messages in datagrams, in virtual time: nothing that a network or a stranger does to them does more than cost time. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../src/lib/random.ts";
import type { Message } from "../../src/raft/mod.ts";
import { NumberWindow } from "../../src/transport/number_window.ts";
import { appendOf } from "../wire/sample_messages.ts";
import { DatagramWorld, fair, type Party, type Weather } from "./datagram_world.ts";
import { heartbeat, roundOf } from "./frames.ts";

const route = { group: 0, from: 1, to: 2 };

/** An append that a test knows again by its commit index. */
function append(number: number, ...payloadLengths: readonly number[]): Message {
  const message = appendOf(route, ...payloadLengths);
  if (message.kind !== "AppendEntries") throw new Error("not an append");
  return { ...message, commitIndex: number };
}

function appendsOf({ received }: Party): readonly number[] {
  return received.flatMap((message) => (message.kind === "AppendEntries" ? [message.commitIndex] : []));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

const storm: Weather = { loss: 0.2, duplicates: 0.2, damage: 0.05, delayMs: 1, spreadMs: 5 };

describe("messages in datagrams", () => {
  for (const seed of upTo(6)) {
    test(`arrive once and in order, whatever is lost, repeated, damaged and overtaken on the way (seed ${seed})`, () => {
      const [world, one, two] = DatagramWorld.pair(seed);
      world.weather = storm;
      const random = seededRandom(seed);
      for (const number of upTo(100)) {
        const size = random.next() < 0.1 ? random.integer(10_000, 60_000) : random.integer(0, 2000);
        const messages = [append(number, size), heartbeat({ to: 2, round: number })];
        if (random.next() < 0.5) world.send(one, messages);
        else for (const message of messages) world.send(one, [message]);
        if (random.next() < 0.3) world.pass(random.integer(0, 20));
      }
      world.until(() => appendsOf(two).length === 100, 2500);
      world.pass(2000);
      expect(appendsOf(two)).toEqual(upTo(100));
      const rounds = two.received.flatMap((message) => (message.kind === "Heartbeat" ? [message.round] : []));
      expect(rounds.toSorted((a, b) => a - b)).toEqual(upTo(100));
      expect(one.counters.messagesDropped).toBe(0);
      expect(two.endpoint.keptBytes).toBe(0);
    });
  }

  test("of megabytes arrive through a fifth of loss, and what is sent again is about what was lost", () => {
    const [world, one, two] = DatagramWorld.pair(4);
    world.weather = { ...fair, loss: 0.2 };
    world.send(one, [append(1, 3_000_000), append(2, 10)]);
    world.until(() => appendsOf(two).length === 2, 2900);
    const needed = 3_000_000 / 1050;
    expect(one.counters.datagramsSent).toBeGreaterThan(needed);
    expect(one.counters.datagramsSent).toBeLessThan(needed * 1.6);
  });

  test("share datagrams while they are small", () => {
    const [world, one, two] = DatagramWorld.pair(1, { path: { datagramBytes: 16_384 } });
    const before = one.counters.datagramsSent;
    world.send(
      one,
      upTo(100).map((round) => heartbeat({ to: 2, round })),
    );
    world.until(() => two.received.length === 100);
    expect(two.received.map(roundOf)).toEqual(upTo(100));
    expect(one.counters.datagramsSent - before).toBeLessThan(3);
  });

  test("that come alone leave at once, each in one datagram that acknowledges what came", () => {
    const [world, one, two] = DatagramWorld.pair(6);
    world.pass(100);
    const before = world.recorded.length;
    for (const number of upTo(20)) {
      const due = world.send(one, [append(number, 200)]);
      expect(due).toBeGreaterThan(world.now);
      expect(due).toBeLessThan(world.now + 100); // to be sent again, should it be lost
      expect(world.recorded.length).toBe(before + 2 * number - 1);
      world.until(() => two.received.length === number);
      world.send(two, [heartbeat({ from: 2, to: 1, round: number })]);
      expect(world.recorded.length).toBe(before + 2 * number);
      world.until(() => one.received.length === number);
    }
    expect(one.counters.datagramsLost + two.counters.datagramsLost).toBe(0);
  });

  test("that come alone keep to the size of datagrams, whatever theirs is", () => {
    const [world, one, two] = DatagramWorld.pair(7);
    for (let number = 1, size = 900; size <= 1200; number++, size++) {
      world.send(two, [heartbeat({ from: 2, to: 1, round: number })]);
      world.pass(4); // so that there is something to acknowledge
      world.send(one, [append(number, size)]);
      world.pass(20);
    }
    expect(appendsOf(two)).toEqual(upTo(301));
    const sizes = world.recorded.map(({ datagram }) => datagram.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1200);
    expect(Math.max(...sizes)).toBeGreaterThan(1100);
    expect(one.counters.datagramsLost).toBe(0);
  });

  test("that come alone, one behind the other, wait for the window and the pace like others, and keep their order", () => {
    const [world, one, two] = DatagramWorld.pair(8);
    world.pass(100);
    const before = world.recorded.length;
    for (const number of upTo(200)) world.send(one, [append(number, 800)]);
    expect(world.recorded.length - before).toBeGreaterThan(0);
    expect(world.recorded.length - before).toBeLessThan(10);
    for (const round of upTo(200)) expect(world.send(one, [heartbeat({ to: 2, round })])).toBe(world.now);
    expect(world.recorded.length - before).toBeLessThan(10);
    world.until(() => two.received.length === 400, 1000);
    expect(appendsOf(two)).toEqual(upTo(200));
    for (const round of upTo(200)) world.send(one, [heartbeat({ to: 2, round })]);
    world.until(() => two.received.length === 600, 1000);
    expect(one.counters.messagesDropped).toBe(0);
  });

  test("that are urgent and come alone wait for the window, too", () => {
    const [world, one, two] = DatagramWorld.pair(8);
    world.pass(100);
    const before = world.recorded.length;
    for (const round of upTo(200)) world.send(one, [heartbeat({ to: 2, round })]);
    expect(world.recorded.length - before).toBeGreaterThan(20);
    expect(world.recorded.length - before).toBeLessThan(60);
    world.until(() => two.received.length === 200, 1000);
  });

  test("that come alone are no more than the receiver keeps while an earlier one is missing", () => {
    const [world, one, two] = DatagramWorld.pair(8, { limits: { assemblyBytesMax: 2000 } });
    world.pass(100);
    world.weather = { ...fair, loss: 1 };
    const before = world.recorded.length;
    for (const number of upTo(10)) world.send(one, [append(number, 200)]);
    expect(world.recorded.length - before).toBeLessThan(6);
    world.weather = fair;
    world.until(() => appendsOf(two).length === 10, 1000);
  });

  test("count as waiting until they have arrived, however they have left", () => {
    const [world, one, two] = DatagramWorld.pair(8, { limits: { sendQueueBytesMax: 100_000 } });
    for (const number of upTo(50)) {
      world.send(one, [append(number, 800)]);
      world.until(() => appendsOf(two).length === number);
    }
    world.pass(100);
    world.send(one, [append(51, 90_000)]);
    expect(one.counters.messagesDropped).toBe(0);
    world.send(one, [append(52, 20_000)]);
    expect(one.counters.messagesDropped).toBe(1);
  });

  test("that come alone are sent again when they were lost, and the peer is given up when nothing arrives", () => {
    const [world, one, two] = DatagramWorld.pair(10);
    world.weather = { ...fair, loss: 1 };
    world.send(one, [append(1, 10)]);
    world.weather = fair;
    world.until(() => appendsOf(two).length === 1, 100);
    world.pass(100);
    world.weather = { ...fair, loss: 1 };
    world.send(one, [append(2, 10)]);
    world.pass(10_000);
    expect(one.endpoint.connected(2)).toBe(false);
    expect(one.counters.messagesDropped).toBe(1);
  });

  test("that are urgent do not wait behind a backlog", () => {
    const [world, one, two] = DatagramWorld.pair(2);
    world.weather = { ...fair, delayMs: 50 };
    world.send(one, [append(1, 5_000_000)]);
    world.pass(60);
    const sentAt = world.now;
    world.send(one, [heartbeat({ to: 2, round: 1 })]);
    world.until(() => two.received.length > 0);
    expect(two.received.map(roundOf)).toEqual([1]);
    expect(world.now - sentAt).toBeLessThan(60);
  });

  test("wait for no more than their time: the peer is given up, and nothing floods a network that answers nothing", () => {
    const [world, one] = DatagramWorld.pair(3);
    world.weather = { ...fair, loss: 1 };
    const before = one.counters.datagramsSent;
    for (const number of upTo(50)) world.send(one, [append(number, 20_000)]);
    world.pass(10_000);
    expect(one.endpoint.connected(2)).toBe(false);
    expect(one.counters.messagesDropped).toBeGreaterThan(40);
    expect(one.counters.datagramsSent - before).toBeLessThan(1000);
    world.send(one, [append(51, 10)]);
    expect(one.counters.messagesDropped).toBeGreaterThan(41);
    world.weather = fair;
    world.until(() => one.endpoint.connected(2), 1000);
  });

  test("become smaller where large ones vanish, and only there", () => {
    const path = { datagramBytes: 8000 };
    for (const [largest, isHole] of [
      [8000, false],
      [1400, true],
    ] as const) {
      const [world, one, two] = DatagramWorld.pair(9, { path });
      world.weather = { ...fair, loss: isHole ? 0.1 : 0.3, largest };
      for (let round = 1; round <= 100; round++) {
        world.send(one, [append(round, 50_000), heartbeat({ to: 2, round })]);
        world.pass(100);
      }
      const since = world.recorded.length;
      const before = appendsOf(two).length;
      world.send(one, [append(1000, 50_000)]);
      world.until(() => appendsOf(two).length > before, 3000);
      const sizes = world.recorded.slice(since).map(({ datagram }) => datagram.length);
      expect(Math.max(...sizes) > 1200).toBe(!isHole);
    }
  });

  test("go on after a frame was given up, without it", () => {
    const [world, one, two] = DatagramWorld.pair(5, { limits: { bulkLifeMs: 100 } });
    world.weather = { ...fair, loss: 1 };
    world.send(one, [append(1, 5000)]);
    world.pass(150);
    world.weather = fair;
    world.send(one, [append(2, 10)]);
    world.until(() => appendsOf(two).length === 1, 500);
    world.send(one, [append(3, 10), append(4, 5000)]);
    world.until(() => appendsOf(two).length === 3, 500);
    expect(appendsOf(two)).toEqual([2, 3, 4]);
  });
});

test("a peer that was given up is not taken back by an answer that it gave before: what is sent then would count as a repetition", () => {
  const [world, one, two] = DatagramWorld.pair(12);
  world.send(one, [heartbeat({ to: 2, round: 1 })]);
  world.until(() => two.received.length === 1);
  world.weather = { ...fair, loss: 1 };
  const since = world.recorded.length;
  world.pass(1500);
  for (const { to, datagram } of world.recorded.slice(since)) if (to === 2) world.inject(2, datagram);
  world.pass(300);
  const answers = world.recorded.slice(since).filter(({ to }) => to === 1);
  world.until(() => !one.endpoint.connected(2));
  for (const { datagram } of answers) world.inject(1, datagram);
  world.weather = fair;
  world.until(() => one.endpoint.connected(2));
  world.send(one, [heartbeat({ to: 2, round: 2 })]);
  world.until(() => two.received.length === 2, 1000);
});

describe("a node that starts again", () => {
  test("is greeted again, and hears nothing of what was meant for its earlier life", () => {
    const [world, one] = DatagramWorld.pair(6);
    for (const number of upTo(20)) {
      world.send(one, [append(number, 100)]);
      world.pass(5);
    }
    const old = world.recorded.filter(({ to }) => to === 2).map(({ datagram }) => datagram);
    world.vanish(2);
    const again = world.start(2, [1]);
    for (const datagram of old) world.inject(2, datagram);
    world.until(() => one.endpoint.connected(2) && again.endpoint.connected(1), 2000);
    for (const datagram of old) world.inject(2, datagram);
    world.pass(2000);
    expect(again.received).toEqual([]);
    expect(again.counters.datagramsStale).toBeGreaterThan(19);
    world.send(one, [append(21, 100)]);
    world.until(() => appendsOf(again).length === 1, 1000);
  });

  test("has no earlier life that a recording could bring back", () => {
    const [world, one, two] = DatagramWorld.pair(7);
    world.send(one, [append(1, 100)]);
    world.until(() => appendsOf(two).length === 1);
    const recording = [...world.recorded];
    world.vanish(1);
    const again = world.start(1, [2]);
    world.until(() => again.endpoint.connected(2) && two.endpoint.connected(1), 5000);
    for (const { to, datagram } of recording) world.inject(to, datagram);
    world.pass(300);
    expect(appendsOf(two)).toEqual([1]);
    world.send(again, [append(2, 100)]);
    world.until(() => appendsOf(two).length === 2, 1000);
    expect(two.endpoint.connected(1)).toBe(true);
  });

  test("is met again, whichever datagrams of the greeting are lost", () => {
    for (const seed of upTo(40)) {
      const [world, , two] = DatagramWorld.pair(seed);
      world.vanish(1);
      const again = world.start(1, [2]);
      world.weather = { ...fair, loss: 0.5, spreadMs: 20 };
      world.until(() => again.endpoint.connected(2), 10_000);
      world.send(again, [heartbeat({ to: 2, round: 1 })]);
      world.pass(seed * 10);
      world.weather = fair;
      world.until(() => {
        world.send(two, [heartbeat({ from: 2, to: 1, round: 1 })]);
        return again.received.length > 0;
      }, 1500);
    }
  });

  test("that goes in order is known to be gone at once", () => {
    const [world, one, two] = DatagramWorld.pair(8);
    two.endpoint.close(world.now, (to, datagrams) => {
      for (const datagram of datagrams) world.inject(to, datagram);
    });
    expect(one.endpoint.connected(2)).toBe(false);
  });
});

describe("strangers", () => {
  test("change nothing: tens of thousands of datagrams that are replayed, forged, cut or damaged", () => {
    const [world, one, two] = DatagramWorld.pair(9);
    for (const number of upTo(30)) world.send(one, [append(number, number * 200), heartbeat({ to: 2, round: number })]);
    world.until(() => appendsOf(two).length === 30);
    world.pass(100);
    const recording = world.recorded.filter(({ to }) => to === 2).map(({ datagram }) => datagram);
    const before = two.received.length;
    const { datagramsReceived } = two.counters;
    const refused = ({ counters }: Party): number =>
      counters.framesForeign + counters.framesCorrupt + counters.datagramsRepeated + counters.datagramsStale;
    const refusedBefore = refused(two);
    const random = seededRandom(1);
    let greetings = 0;
    for (let count = 0; count < 20_000; count++) {
      const datagram = recording[random.integer(0, recording.length - 1)] ?? new Uint8Array(0);
      const what = random.integer(0, 3);
      if (what === 0) world.inject(2, datagram);
      else if (what === 1) world.inject(2, world.damaged(datagram));
      else if (what === 2)
        world.inject(
          2,
          Uint8Array.from({ length: random.integer(0, 300) }, () => random.integer(0, 255)),
        );
      else world.inject(2, datagram.slice(0, random.integer(0, datagram.length - 1)));
      greetings += what === 0 && recording.indexOf(datagram) < 2 ? 1 : 0;
      if (count % 1000 === 0) world.pass(10);
    }
    expect(two.received.length).toBe(before);
    expect(two.counters.datagramsReceived - datagramsReceived).toBeGreaterThan(19_999);
    expect(refused(two) - refusedBefore).toBeGreaterThan(19_900 - greetings);
    expect(two.endpoint.keptBytes).toBe(0);
    world.send(one, [append(31, 100_000)]);
    world.until(() => appendsOf(two).length === 31, 3000);
    expect(appendsOf(two)).toEqual(upTo(31));
  });

  test("that take every datagram on its way and keep the fragments of some cannot make a node keep more than its limit", () => {
    const limits = { assemblyBytesMax: 100_000, frameBytesMax: 50_000 };
    const [world, one, two] = DatagramWorld.pair(10, { limits });
    // The sender keeps to a larger limit: a peer that does not play by the rules.
    const rude = world.start(1, [2]);
    world.until(() => rude.endpoint.connected(2) && two.endpoint.connected(1), 5000);
    world.weather = { ...fair, loss: 0.5 };
    for (const number of upTo(40)) world.send(rude, [append(number, 40_000)]);
    let most = 0;
    for (let count = 0; count < 300; count++) {
      world.pass(10);
      most = Math.max(most, two.endpoint.keptBytes);
    }
    expect(most).toBeGreaterThan(40_000);
    expect(most).toBeLessThan(100_001);
    world.vanish(1);
    world.pass(20_000);
    expect(two.endpoint.keptBytes).toBe(0);
    expect(one.received).toEqual([]);
  });
});

test("a window of numbers takes each once, and none that it can no longer tell", () => {
  const window = new NumberWindow();
  expect([5, 3, 5, 4, 3].map((number) => window.add(number))).toEqual([true, true, false, true, false]);
  expect([1, 2, 3, 4, 5, 6].map((number) => window.has(number))).toEqual([false, false, true, true, true, false]);
  expect(window.add(5000)).toBe(true);
  expect([904, 905, 4999, 5000, 905].map((number) => window.add(number))).toEqual([false, true, true, false, false]);
  expect(window.add(1_000_000)).toBe(true);
  expect([5000, 999_999, 999_999].map((number) => window.add(number))).toEqual([false, true, false]);
});
