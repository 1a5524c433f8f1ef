import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../src/lib/random.ts";
import { MemoryNetwork, type NetworkFaults } from "../../src/transport/mod.ts";
import { clusterId } from "../wire/sample_messages.ts";
import { collect, transportConformance } from "./conformance.ts";
import { frameOf, heartbeat, roundOf } from "./frames.ts";

function networkOf(seed: number, encode = true): MemoryNetwork {
  return new MemoryNetwork({ random: seededRandom(seed), clusterId, encode });
}

transportConformance("memory", ({ clusterIdOf1 }) => {
  const network = networkOf(1);
  const transports = { 1: network.attach(1, clusterIdOf1), 2: network.attach(2) };
  return Promise.resolve({
    transports,
    until: (condition) => {
      for (let step = 0; !condition(); step++) {
        if (step > 100_000) throw new Error("the condition never held");
        network.deliverOne();
      }
      return Promise.resolve();
    },
    bytesOf: frameOf,
    inject: (to, bytes) => network.inject(to, bytes),
    close: () => network.heal(),
  });
});

/** The rounds that node 2 sees of those that node 1 sends, under `faults`. */
function delivered(seed: number, faults: NetworkFaults): readonly number[] {
  const network = networkOf(seed);
  network.faults = faults;
  const sender = network.attach(1);
  const received = collect(network.attach(2));
  sender.send(Array.from({ length: 200 }, (_, round) => heartbeat({ to: 2, round })));
  network.deliverAll();
  return received.map(roundOf);
}

describe("the network in memory", () => {
  test("moves nothing until it is told to, then one message at a time", () => {
    const network = networkOf(1);
    const sender = network.attach(1);
    const received = collect(network.attach(2));
    sender.send([heartbeat({ to: 2, round: 1 }), heartbeat({ to: 2, round: 2 })]);
    expect(received.length).toBe(0);
    expect(network.pending).toBe(2);
    expect(network.deliverOne()).toBe(true);
    expect(received.map(roundOf)).toEqual([1]);
    expect(network.deliverOne()).toBe(true);
    expect(network.deliverOne()).toBe(false);
    expect(received.map(roundOf)).toEqual([1, 2]);
  });

  test("delivers answers in the same run", () => {
    const network = networkOf(1);
    const one = network.attach(1);
    const two = network.attach(2);
    const received = collect(one);
    two.onMessage = () => two.send([heartbeat({ from: 2, to: 1, round: 7 })]);
    one.send([heartbeat({ to: 2, round: 1 })]);
    network.deliverAll();
    expect(received.map(roundOf)).toEqual([7]);
  });

  test("stops nodes that never fall silent", () => {
    const network = networkOf(1);
    const one = network.attach(1);
    const two = network.attach(2);
    one.onMessage = () => one.send([heartbeat({ to: 2, round: 1 })]);
    two.onMessage = () => two.send([heartbeat({ from: 2, to: 1, round: 1 })]);
    one.send([heartbeat({ to: 2, round: 1 })]);
    expect(() => network.deliverAll(100)).toThrow("never fall silent");
  });

  test("drops, repeats and reorders as likely as told, and the same again from the same seed", () => {
    const inOrder = Array.from({ length: 200 }, (_, round) => round);
    const none = { drop: 0, duplicate: 0, reorder: 0 };
    expect(delivered(1, none)).toEqual(inOrder);
    expect(delivered(1, { ...none, drop: 1 })).toEqual([]);

    const dropped = delivered(1, { ...none, drop: 0.5 });
    expect(dropped.length).toBeGreaterThan(60);
    expect(dropped.length).toBeLessThan(140);
    expect([...dropped].sort((a, b) => a - b)).toEqual([...dropped]);

    const repeated = delivered(1, { ...none, duplicate: 0.5 });
    expect(repeated.length).toBeGreaterThan(300);
    expect([...new Set(repeated)].sort((a, b) => a - b)).toEqual(inOrder);

    const reordered = delivered(1, { ...none, reorder: 1 });
    expect(reordered.join() === inOrder.join()).toBe(false);
    expect([...reordered].sort((a, b) => a - b)).toEqual(inOrder);

    const all = { drop: 0.2, duplicate: 0.2, reorder: 0.2 };
    expect(delivered(9, all)).toEqual(delivered(9, all));
    expect(delivered(9, all).join() === delivered(10, all).join()).toBe(false);
  });

  test("blocks one way at a time, and loses what is on its way", () => {
    const network = networkOf(1);
    const one = network.attach(1);
    const two = network.attach(2);
    const byOne = collect(one);
    const byTwo = collect(two);
    one.send([heartbeat({ to: 2, round: 1 })]);
    network.block(1, 2);
    one.send([heartbeat({ to: 2, round: 2 })]);
    two.send([heartbeat({ from: 2, to: 1, round: 3 })]);
    network.deliverAll();
    expect(byTwo).toEqual([]);
    expect(byOne.map(roundOf)).toEqual([3]);
    expect(one.counters.messagesDropped).toBe(1);

    network.unblock(1, 2);
    one.send([heartbeat({ to: 2, round: 4 })]);
    network.block(2, 1);
    network.heal();
    two.send([heartbeat({ from: 2, to: 1, round: 5 })]);
    network.deliverAll();
    expect(byTwo.map(roundOf)).toEqual([4]);
    expect(byOne.map(roundOf)).toEqual([3, 5]);
  });

  test("gives a node that is attached again what is still on its way, and its old transport is dead", () => {
    const network = networkOf(1);
    const one = network.attach(1);
    const old = network.attach(2);
    const before = collect(old);
    const byOne = collect(one);
    one.send([heartbeat({ to: 2, round: 1 })]);
    const after = collect(network.attach(2));
    old.send([heartbeat({ from: 2, to: 1, round: 2 })]);
    old.close();
    network.deliverAll();
    expect(before).toEqual([]);
    expect(byOne).toEqual([]);
    expect(after.map(roundOf)).toEqual([1]);
  });

  test("passes the very objects where nothing is to be encoded", () => {
    const network = networkOf(1, false);
    const one = network.attach(1);
    const received = collect(network.attach(2));
    const message = heartbeat({ to: 2, round: 1 });
    one.send([message]);
    network.deliverAll();
    expect(received[0] === message).toBe(true);
  });
});
