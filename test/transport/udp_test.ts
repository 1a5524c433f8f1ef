import { describe, expect, test } from "bun:test";
import { ProaError } from "../../src/lib/errors.ts";
import { clusterId } from "../wire/sample_messages.ts";
import { freePort } from "../helpers/free_port.ts";
import { openUdp } from "../helpers/runtime.ts";
import { collect, transportConformance } from "./conformance.ts";
import { heartbeat, roundOf } from "./frames.ts";
import { until } from "./tcp_world.ts";
import { datagramOf, host, throwAt, udpNode } from "./udp_world.ts";

for (const datagramBytes of [16 * 1024, 1200]) {
  transportConformance(`UDP, datagrams of ${datagramBytes} bytes`, async ({ clusterIdOf1 }) => {
    const ports = { 1: await freePort(), 2: await freePort() };
    const transports = {
      1: udpNode({ self: 1, port: ports[1], peers: { 2: ports[2] }, clusterId: clusterIdOf1, datagramBytes }),
      2: udpNode({ self: 2, port: ports[2], peers: { 1: ports[1] }, datagramBytes }),
    };
    await transports[1].listen();
    await transports[2].listen();
    if (clusterIdOf1 === clusterId) await until(() => transports[1].connected(2) && transports[2].connected(1));
    return {
      transports,
      until,
      bytesOf: datagramOf,
      inject: (to, bytes) => void throwAt(ports[to], [bytes]),
      close: () => {
        transports[1].close();
        transports[2].close();
      },
    };
  });
}

describe("UDP", () => {
  test("a busy port is an error that names it", async () => {
    const port = await freePort();
    const first = udpNode({ self: 1, port, peers: { 2: 1 } });
    await first.listen();
    const second = udpNode({ self: 1, port, peers: { 2: 1 } });
    const error = await second.listen().then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error instanceof ProaError && error.code).toBe("PORT_BUSY");
    expect(error instanceof ProaError && error.message).toContain(`${host}:${port}`);
    first.close();
  });

  test("a peer that starts again is reached again", async () => {
    const ports = { 1: await freePort(), 2: await freePort() };
    const one = udpNode({ self: 1, port: ports[1], peers: { 2: ports[2] } });
    await one.listen();
    for (let life = 1; life <= 3; life++) {
      const two = udpNode({ self: 2, port: ports[2], peers: { 1: ports[1] } });
      const received = collect(two);
      await two.listen();
      await until(() => one.connected(2) && two.connected(1));
      one.send([heartbeat({ to: 2, round: life })]);
      await until(() => received.length > 0);
      expect(received.map(roundOf)).toEqual([life]);
      two.close();
      await until(() => !one.connected(2));
    }
    one.close();
  });

  test("datagrams to a port where nobody listens, and those of strangers, harm nobody", async () => {
    const ports = { 1: await freePort(), 2: await freePort(), 3: await freePort() };
    const one = udpNode({ self: 1, port: ports[1], peers: { 2: ports[2], 3: ports[3] } });
    const two = udpNode({ self: 2, port: ports[2], peers: { 1: ports[1] } });
    await one.listen();
    await two.listen();
    const received = collect(two);
    await until(() => one.connected(2));
    await throwAt(ports[2], [new Uint8Array(0), new Uint8Array(60_000), datagramOf(heartbeat({ to: 2, round: 9 }))]);
    await until(() => two.counters.framesCorrupt + two.counters.framesForeign + two.counters.datagramsStale === 3);
    one.send([heartbeat({ to: 3, round: 1 }), heartbeat({ to: 2, round: 2 })]);
    await until(() => received.length > 0);
    expect(received.map(roundOf)).toEqual([2]);
    one.close();
    two.close();
  });

  test("what goes to several at once reaches those who listen, whoever else does not", async () => {
    const arrived = new Set<number>();
    const target = await openUdp({ hostname: host, port: 0, receive: (datagram) => arrived.add(datagram[0] ?? 0) });
    const nobody = { address: host, port: await freePort() };
    const source = await openUdp({ hostname: host, port: 0, receive: () => undefined });
    for (let number = 0; number < 20; number++) {
      const datagram = Uint8Array.of(number);
      source.send([
        { datagram, to: nobody },
        { datagram, to: { address: host, port: target.port } },
        { datagram, to: nobody },
      ]);
    }
    await until(() => arrived.size === 20);
    source.close();
    target.close();
  });

  test("who sends and sends, always late, acknowledges all the same what others have sent", async () => {
    const ports = { 1: await freePort(), 2: await freePort(), 3: await freePort() };
    const limits = { resendMinMs: 20_000, resendMaxMs: 20_000, ackDelayMs: 5 };
    const one = udpNode({ self: 1, port: ports[1], peers: { 2: ports[2] }, limits });
    const two = udpNode({ self: 2, port: ports[2], peers: { 1: ports[1], 3: ports[3] }, limits });
    const three = udpNode({ self: 3, port: ports[3], peers: { 2: ports[2] }, limits });
    for (const node of [one, two, three]) await node.listen();
    await until(() => one.connected(2) && two.connected(1) && two.connected(3) && three.connected(2));
    const received = collect(two);
    const before = two.counters.datagramsSent;
    one.send([heartbeat({ from: 1, to: 2, round: 1 })]);
    await until(() => received.length === 1);
    const rounds = 3;
    for (let round = 1; round <= rounds; round++) {
      const late = performance.now() + 30;
      while (performance.now() < late); // as a turn does in which there is much to do
      two.send([heartbeat({ from: 2, to: 3, round })]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(two.counters.datagramsSent - before).toBeGreaterThan(rounds);
    for (const node of [one, two, three]) node.close();
  });

  test("a peer that has left is reached for as long as it takes to tell it, then neither called nor heard", async () => {
    const ports = { 1: await freePort(), 2: await freePort() };
    const one = udpNode({ self: 1, port: ports[1], peers: { 2: ports[2] }, limits: { farewellMs: 200 } });
    const two = udpNode({ self: 2, port: ports[2], peers: { 1: ports[1] } });
    const received = collect(two);
    await one.listen();
    await two.listen();
    await until(() => one.connected(2) && two.connected(1));
    one.setPeers([]);
    one.send([heartbeat({ to: 2, round: 1 })]);
    await until(() => received.length === 1 && !one.connected(2) && !two.connected(1));
    const { datagramsSent, framesForeign } = one.counters;
    await until(() => one.counters.framesForeign > framesForeign + 2); // it calls: nobody answers
    expect(one.counters.datagramsSent).toBe(datagramsSent);
    one.setPeers([{ id: 2, host, port: ports[2] }]);
    await until(() => one.connected(2) && two.connected(1));
    one.close();
    two.close();
  });
});
