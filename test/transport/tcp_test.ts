import type { Socket } from "node:net";
import { describe, expect, test } from "bun:test";
import { ProaError } from "../../src/lib/errors.ts";
import type { Message } from "../../src/raft/mod.ts";
import type { TcpTransport } from "../../src/transport/mod.ts";
import { clusterIdBytes, FrameReader } from "../../src/wire/mod.ts";
import { freePort } from "../helpers/free_port.ts";
import { appendOf, clusterId } from "../wire/sample_messages.ts";
import { collect, refusedFrames, transportConformance } from "./conformance.ts";
import { frameOf, heartbeat, roundOf } from "./frames.ts";
import {
  connectRaw,
  host,
  listenRaw,
  pause,
  portOf,
  tcpNode,
  until,
  withBarePeer,
  withNode2,
  type RawClient,
} from "./tcp_world.ts";

transportConformance("TCP", async ({ clusterIdOf1 }) => {
  const ports = { 1: await freePort(), 2: await freePort() };
  const transports = {
    1: tcpNode({ self: 1, port: ports[1], peers: { 2: ports[2] }, clusterId: clusterIdOf1 }),
    2: tcpNode({ self: 2, port: ports[2], peers: { 1: ports[1] } }),
  };
  await transports[1].listen();
  await transports[2].listen();
  await until(() => transports[1].connected(2) && transports[2].connected(1));
  return {
    transports,
    until,
    bytesOf: frameOf,
    inject: (to, bytes) => void connectRaw(ports[to]).then(({ socket }) => socket.end(bytes)),
    close: () => {
      transports[1].close();
      transports[2].close();
    },
  };
});

describe("connections over TCP", () => {
  test("a peer that starts again is reached again, well before an election", async () => {
    const ports = { 1: await freePort(), 2: await freePort() };
    const one = tcpNode({ self: 1, port: ports[1], peers: { 2: ports[2] } });
    await one.listen();
    one.send([heartbeat({ to: 2, round: 0 })]);
    expect(one.counters.messagesDropped).toBe(1); // nobody is there, and that is all that happens
    for (let life = 1; life <= 3; life++) {
      const two = tcpNode({ self: 2, port: ports[2], peers: { 1: ports[1] } });
      const received = collect(two);
      await two.listen();
      const listeningMs = performance.now();
      await until(() => one.connected(2));
      expect(performance.now() - listeningMs).toBeLessThan(1000);
      one.send([heartbeat({ to: 2, round: life })]);
      await until(() => received.length > 0);
      expect(received.map(roundOf)).toEqual([life]);
      two.close();
      await until(() => !one.connected(2));
      const before = one.counters.messagesDropped;
      one.send([heartbeat({ to: 2, round: 9 })]);
      expect(one.counters.messagesDropped).toBe(before + 1);
    }
    expect(one.counters.connectionsOpened).toBe(3);
    one.close();
  });

  test("a peer that hangs up at once is dialled with growing pauses, not in a busy loop", async () => {
    let accepted = 0;
    const server = await listenRaw({
      port: 0,
      onSocket: (socket) => {
        accepted++;
        socket.destroy();
      },
    });
    const limits = { reconnectMinMs: 10, reconnectMaxMs: 80 };
    const node = tcpNode({ self: 1, port: await freePort(), peers: { 2: portOf(server) }, limits });
    const startedMs = performance.now();
    await node.listen();
    await until(() => accepted === 8);
    node.close();
    server.close();
    // 10 + 20 + 40 + 4 × 80 ms of pauses, each shortened by half at most.
    expect(performance.now() - startedMs).toBeGreaterThan(190);
  });

  test("a busy port is an error that names it", async () => {
    const server = await listenRaw({ port: 0, onSocket: () => undefined });
    const port = portOf(server);
    const node = tcpNode({ self: 1, port, peers: { 2: 1 } });
    const error = await node.listen().then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error instanceof ProaError && error.code).toBe("PORT_BUSY");
    expect(error instanceof ProaError && error.exit).toBe(9);
    expect(error instanceof ProaError && error.message).toBe(`Cannot listen on ${host}:${port}: the port is taken`);
    expect(error instanceof ProaError && error.hint !== undefined).toBe(true);
    expect(node.connected(2)).toBe(false);
    server.close();
  });

  test("a closed transport leaves its port free, and may be closed at any time", async () => {
    const port = await freePort();
    tcpNode({ self: 1, port, peers: {} }).close();
    const sockets: Socket[] = [];
    const server = await listenRaw({ port: 0, onSocket: (socket) => sockets.push(socket) });
    const closedMeanwhile = tcpNode({ self: 1, port, peers: { 2: portOf(server) } });
    const listening = closedMeanwhile.listen();
    closedMeanwhile.close();
    await listening;
    await pause(50);
    expect(sockets.length).toBe(0);
    server.close();
    for (let round = 0; round < 3; round++) {
      const node = tcpNode({ self: 1, port, peers: { 2: await freePort() } });
      await node.listen();
      node.close();
      node.close();
    }
  });
});

describe("what is sent over TCP", () => {
  test("is dropped, not queued, for a peer that does not read; whole frames arrive when it does", async () => {
    const limits = { frameBytesMax: 256 * 1024, sendQueueBytesMax: 1024 * 1024, drainTimeoutMs: 60_000 };
    await withBarePeer({ limits, paused: true }, async (node, [socket]) => {
      const message = appendOf({ group: 0, from: 1, to: 2 }, 90_000, 10_000);
      await until(() => {
        node.send([message, message]);
        return node.counters.messagesDropped > 100;
      });
      const { bytesSent, messagesSent } = node.counters;
      // All that was handed over and not read is in our queue or in the buffers of the system, which are a few MiB.
      expect(bytesSent).toBeLessThan(limits.sendQueueBytesMax + 32 * 1024 * 1024);
      node.send(Array.from({ length: 1000 }, () => message));
      expect(node.counters.bytesSent).toBe(bytesSent);

      const reader = new FrameReader({ self: 2, clusterId: clusterIdBytes(clusterId), peers: new Set([1]) }, 1 << 20);
      let read = 0;
      socket?.on("data", (chunk) => {
        if (typeof chunk === "string") throw new Error("no text encoding was asked for");
        reader.push(chunk);
        for (let next = reader.next(); next !== null; next = reader.next()) read += next.kind === "message" ? 1 : NaN;
      });
      socket?.resume();
      await until(() => read === messagesSent);
      node.send([message]);
      await until(() => read === messagesSent + 1);
    });
  });

  test("a heartbeat leaves before the entries that wait, and even when there is no room for more of them", async () => {
    const limits = { frameBytesMax: 1024 * 1024, sendQueueBytesMax: 4 * 1024 * 1024, drainTimeoutMs: 60_000 };
    await withBarePeer({ limits, paused: true }, async (node, [socket]) => {
      const message = appendOf({ group: 0, from: 1, to: 2 }, 10_000, 700_000, 20_000);
      await until(() => {
        node.send([message, message]);
        return node.counters.messagesDropped > 10;
      });
      const news = appendOf({ group: 0, from: 1, to: 2 });
      const dropped = node.counters.messagesDropped;
      while (node.counters.messagesDropped === dropped) node.send([news]);
      const { messagesSent } = node.counters;
      node.send([heartbeat({ to: 2, round: 7 }), news, heartbeat({ to: 2, round: 8 })]);
      expect(node.counters.messagesSent).toBe(messagesSent + 2);
      const reader = new FrameReader({ self: 2, clusterId: clusterIdBytes(clusterId), peers: new Set([1]) }, 1 << 20);
      const kinds: string[] = [];
      socket?.on("data", (chunk) => {
        if (typeof chunk === "string") throw new Error("no text encoding was asked for");
        reader.push(chunk);
        for (let next = reader.next(); next !== null; next = reader.next())
          kinds.push(next.kind === "message" ? next.message.kind : next.reason);
      });
      socket?.resume();
      await until(() => kinds.length === messagesSent + 2);
      const first = kinds.indexOf("Heartbeat");
      expect(kinds.filter((kind) => kind === "AppendEntries").length).toBe(messagesSent);
      expect(kinds.slice(first, first + 3)).toEqual(["Heartbeat", "Heartbeat", "AppendEntries"]);
    });
  });

  test("is limited within one call too", async () => {
    const limits = { frameBytesMax: 64 * 1024, sendQueueBytesMax: 128 * 1024 };
    await withBarePeer({ limits, paused: true }, async (node) => {
      node.send(Array.from({ length: 1000 }, () => appendOf({ group: 0, from: 1, to: 2 }, 10_000)));
      expect(node.counters.bytesSent).toBeLessThan(limits.sendQueueBytesMax);
      expect(node.counters.messagesSent).toBeGreaterThan(5);
      expect(node.counters.messagesDropped).toBe(1000 - node.counters.messagesSent);
      await Promise.resolve();
    });
  });

  test("goes to a new connection when the old one has been stuck for too long", async () => {
    const limits = { drainTimeoutMs: 100, frameBytesMax: 1024 * 1024, sendQueueBytesMax: 1024 * 1024 };
    await withBarePeer({ limits, paused: true }, async (node, sockets) => {
      const message = appendOf({ group: 0, from: 1, to: 2 }, 500_000);
      await until(() => {
        node.send([message]);
        return sockets.length === 2;
      });
      sockets[1]?.resume();
      await until(() => node.connected(2));
      await pause(300); // three times the limit: what was stuck before is not held against the new connection
      expect(sockets.length).toBe(2);
    });
  });

  test("stays on the connection while the peer reads, however rarely there is anything to send", async () => {
    await withBarePeer({ limits: { drainTimeoutMs: 40 }, paused: false }, async (node, sockets) => {
      let received = 0;
      sockets[0]?.on("data", (chunk) => (received += chunk.length));
      for (let round = 0; round < 3; round++) {
        node.send([heartbeat({ to: 2, round })]);
        await pause(100);
      }
      expect(received).toBe(node.counters.bytesSent);
      expect(sockets.length).toBe(1);
    });
  });

  test("stays on a connection that moves slowly, for as long as it moves", async () => {
    const limits = { drainTimeoutMs: 1000, sendQueueBytesMax: 32 * 1024 * 1024 };
    await withBarePeer({ limits, paused: true }, async (node, sockets) => {
      const [socket] = sockets;
      const bytesPerMs = 15_000;
      let received = 0;
      socket?.on("data", (chunk) => {
        received += chunk.length;
        socket.pause();
        setTimeout(() => socket.resume(), chunk.length / bytesPerMs);
      });
      socket?.resume();
      const message = appendOf({ group: 0, from: 1, to: 2 }, 1_000_000);
      node.send(Array.from({ length: 15 }, () => message));
      const small = appendOf({ group: 0, from: 1, to: 2 }, 15_000, 15_000, 15_000);
      for (let count = 0; count < 250; count++) node.send([small]);
      await until(() => received === node.counters.bytesSent);
      expect(sockets.length).toBe(1);
    });
  }, 30_000);

  test("is nothing once the transport is closed: it does not dial again", async () => {
    const limits = { reconnectMinMs: 1, reconnectMaxMs: 1 };
    await withBarePeer({ limits, paused: false }, async (node, sockets) => {
      node.close();
      expect(node.connected(2)).toBe(false);
      await pause(100);
      expect(sockets.length).toBe(1);
    });
  });

  test("is dropped and reported when its frame is above the limit, and nothing else suffers", async () => {
    const events: string[] = [];
    const logger = { log: (level: string, event: string) => void events.push(`${level}: ${event}`) };
    const ports = { 1: await freePort(), 2: await freePort() };
    const limits = { frameBytesMax: 100_000 };
    const one = tcpNode({ self: 1, port: ports[1], peers: { 2: ports[2] }, limits, logger });
    const two = tcpNode({ self: 2, port: ports[2], peers: { 1: ports[1] }, limits });
    const received = collect(two);
    await two.listen();
    await one.listen();
    await until(() => one.connected(2));
    const route = { group: 0, from: 1, to: 2 };
    one.send([heartbeat({ to: 2, round: 1 }), appendOf(route, 100_000), heartbeat({ to: 2, round: 2 })]);
    await until(() => received.length === 2);
    expect(received.map(roundOf)).toEqual([1, 2]);
    expect(one.counters.messagesDropped).toBe(1);
    expect(events.includes("error: message above the frame limit")).toBe(true);
    one.send([appendOf(route, 99_000)]);
    await until(() => received.length === 3);
    one.close();
    two.close();
  });
});

describe("strangers on the port", () => {
  const append = frameOf(appendOf({ group: 0, from: 1, to: 2 }, 1000));

  const hostile: Readonly<Record<string, Uint8Array>> = {
    "an HTTP request": new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${host}\r\nAccept: */*\r\n\r\n`),
    zeros: new Uint8Array(1000),
    "a giant length": changed(append, 0, 0x7f),
    "a damaged cluster id": changed(append, 25, 0x01),
    "a damaged head": changed(append, 46, 0x01),
    "a damaged payload": changed(append, append.length - 5, 0x80),
  };
  for (const [what, bytes] of Object.entries(hostile)) {
    test(`are cut off and counted: ${what}`, () =>
      withNode2({}, async (node, port) => {
        const received = collect(node);
        const client = await connectRaw(port);
        client.socket.write(bytes);
        await until(() => client.closed);
        expect(refusedFrames(node)).toBe(1);
        expect(received).toEqual([]);
        await expectAlive(node, port, received);
      }));
  }

  test("lose nothing that they said rightly before", () =>
    withNode2({}, async (node, port) => {
      const received = collect(node);
      const client = await connectRaw(port);
      client.socket.write(Uint8Array.of(...frameOf(heartbeat({ to: 2, round: 1 })), ...new Uint8Array(100)));
      await until(() => client.closed);
      expect(received.map(roundOf)).toEqual([1]);
      expect(node.counters.framesForeign).toBe(1);
    }));

  test("may leave in the middle of a frame", () =>
    withNode2({}, async (node, port) => {
      const received = collect(node);
      for (const length of [1, 43, 44, 100, append.length - 1]) {
        const client = await connectRaw(port);
        client.socket.end(append.slice(0, length));
        await until(() => client.closed);
      }
      await expectAlive(node, port, received);
    }));

  test("are cut off when they say nothing, or not the rest", () =>
    withNode2({ silenceTimeoutMs: 100 }, async (node, port) => {
      const received = collect(node);
      const mute = await connectRaw(port);
      const slow = await connectRaw(port);
      slow.socket.write(append.slice(0, 500));
      const known = await connectRaw(port);
      known.socket.write(frameOf(heartbeat({ to: 2, round: 1 })));
      await until(() => mute.closed && slow.closed);
      expect(node.counters.connectionsRefused).toBe(2);
      expect(known.closed).toBe(false); // silence between frames is a peer with nothing to say
      known.socket.write(append.slice(0, 500));
      await until(() => known.closed);
      expect(received.length).toBe(1);
    }));

  test("may take their time between frames, and then again within one", () =>
    withNode2({ silenceTimeoutMs: 600 }, async (node, port) => {
      const received = collect(node);
      const client = await connectRaw(port);
      client.socket.write(frameOf(heartbeat({ to: 2, round: 1 })));
      await pause(650);
      client.socket.write(append.slice(0, 500));
      await pause(200);
      client.socket.write(append.slice(500));
      await until(() => received.length === 2);
    }));

  test("cannot take all the room: a thousand idle connections, and the peer still gets through", () =>
    withNode2({}, async (node, port) => {
      const received = collect(node);
      const peer = await connectRaw(port);
      peer.socket.write(frameOf(heartbeat({ to: 2, round: 1 })));
      await until(() => received.length === 1);
      const idle: RawClient[] = [];
      for (let count = 0; count < 1000; count++) idle.push(await connectRaw(port));
      await until(() => node.counters.connectionsAccepted === 1001);
      await until(() => idle.filter((client) => !client.closed).length <= 20);
      expect(node.counters.connectionsRefused).toBeGreaterThan(950);
      expect(peer.closed).toBe(false);
      const late = await connectRaw(port);
      late.socket.write(frameOf(heartbeat({ to: 2, round: 2 })));
      await until(() => received.length === 2);
      for (const { socket } of idle) socket.destroy();
    }));

  test("a second connection of a peer ends the first, and a connection speaks for one peer only", async () => {
    const port = await freePort();
    const node = tcpNode({ self: 2, port, peers: { 1: await freePort(), 3: await freePort() } });
    const received = collect(node);
    await node.listen();
    const first = await connectRaw(port);
    first.socket.write(frameOf(heartbeat({ to: 2, round: 1 })));
    await until(() => received.length === 1);
    const second = await connectRaw(port);
    second.socket.write(frameOf(heartbeat({ to: 2, round: 2 })));
    await until(() => first.closed);
    expect(second.closed).toBe(false);
    second.socket.write(frameOf(heartbeat({ from: 3, to: 2, round: 3 })));
    await until(() => second.closed);
    expect(received.map(roundOf)).toEqual([1, 2]);
    expect(node.counters.framesForeign).toBe(1);
    node.close();
  });

  test("hear nothing from us, and a peer only that something has come", () =>
    withNode2({}, async (node, port) => {
      const client = await connectRaw(port);
      let heard = 0;
      client.socket.on("data", (chunk) => (heard += chunk.length));
      client.socket.write(frameOf(heartbeat({ to: 2, round: 1 })));
      await until(() => node.counters.messagesReceived === 1);
      client.socket.write(new Uint8Array(100));
      await until(() => client.closed);
      expect(heard).toBeLessThan(2);
    }));
});

/** `frame` with one byte changed. */
function changed(frame: Uint8Array, position: number, mask: number): Uint8Array {
  return frame.map((byte, at) => (at === position ? byte ^ mask : byte));
}

/** Whether peer 1 can still make itself heard. */
async function expectAlive(node: TcpTransport, port: number, received: readonly Message[]): Promise<void> {
  const before = received.length;
  const client = await connectRaw(port);
  client.socket.write(frameOf(heartbeat({ to: 2, round: 77 })));
  await until(() => received.length > before);
  expect(received.slice(before).map(roundOf)).toEqual([77]);
  expect(node.counters.messagesReceived).toBe(before + 1);
  client.socket.destroy();
}

test("M10: what a member that is not known here yet says is delivered, and answered once it is known", async () => {
  const ports = { 1: await freePort(), 2: await freePort() };
  const one = tcpNode({ self: 1, port: ports[1], peers: { 2: ports[2] } });
  const two = tcpNode({ self: 2, port: ports[2], peers: {} });
  try {
    const received: string[] = [];
    one.onMessage = (message) => received.push(`1 got ${message.kind}`);
    two.onMessage = (message) => received.push(`2 got ${message.kind}`);
    await Promise.all([one.listen(), two.listen()]);
    await until(() => one.connected(2));
    one.send([heartbeat({ from: 1, to: 2, round: 1 })]);
    await until(() => received.length === 1);
    two.send([heartbeat({ from: 2, to: 1, round: 1 })]);
    expect(two.counters.messagesDropped).toBe(1);
    two.setPeers([{ id: 1, host, port: ports[1] }]);
    await until(() => two.connected(1));
    two.send([heartbeat({ from: 2, to: 1, round: 1 })]);
    await until(() => received.length === 2);
    expect(received).toEqual(["2 got Heartbeat", "1 got Heartbeat"]);
  } finally {
    one.close();
    two.close();
  }
});

test("a peer that has left is given up after a while, and one that has moved is dialled where it is now", async () => {
  const ports = { 1: await freePort(), 2: await freePort(), moved: await freePort() };
  const limits = { farewellMs: 0, silenceTimeoutMs: 40, drainTimeoutMs: 40 };
  const one = tcpNode({ self: 1, port: ports[1], peers: { 2: ports[2] }, limits });
  const two = tcpNode({ self: 2, port: ports[2], peers: {} });
  const moved = tcpNode({ self: 2, port: ports.moved, peers: {} });
  try {
    await Promise.all([one.listen(), two.listen(), moved.listen()]);
    await until(() => one.connected(2));
    one.setPeers([{ id: 2, host, port: ports.moved }]);
    await until(() => one.connected(2) && moved.counters.connectionsAccepted === 1);
    one.setPeers([]);
    await until(() => !one.connected(2));
  } finally {
    for (const transport of [one, two, moved]) transport.close();
  }
});
