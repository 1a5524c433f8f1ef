/** The key of a cluster: who has it is heard, who has not changes nothing, and no recording helps. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { checksumSeal, ClusterKey, KeySeal, readClusterKey } from "../../src/transport/mod.ts";
import { AcceptorHandshake, DialerHandshake } from "../../src/transport/tcp_handshake.ts";
import { clusterIdBytes } from "../../src/wire/mod.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { appendOf, clusterId } from "../wire/sample_messages.ts";
import { freePort } from "../helpers/free_port.ts";
import { collect, refusedFrames } from "./conformance.ts";
import { DatagramWorld } from "./datagram_world.ts";
import { frameOf, heartbeat, roundOf } from "./frames.ts";
import { connectRaw, tcpNode, until } from "./tcp_world.ts";
import { udpNode } from "./udp_world.ts";

const key = new ClusterKey(new TextEncoder().encode("a secret of more than thirty-two bytes"));
const otherKey = new ClusterKey(new TextEncoder().encode("A secret of more than thirty-two bytes"));
const clusterBytes = clusterIdBytes(clusterId);
const newSeal = (): KeySeal => new KeySeal(key, clusterBytes);
const route = { group: 0, from: 1, to: 2 };

describe("a datagram under a key", () => {
  const head = { from: 1, to: 2, boot: 3, token: 4, number: 5 };
  const sealed = (): Uint8Array => {
    const writer = new ByteWriter();
    writer.bytes(Uint8Array.from({ length: 184 }, (_, at) => at));
    return newSeal().close(writer, head);
  };

  test("is read by who has the key, and its content is not to be seen", () => {
    expect(newSeal().open(sealed(), head)).toEqual(Uint8Array.from({ length: 132 }, (_, at) => 52 + at));
    expect(sealed().subarray(52, 184)).not.toEqual(Uint8Array.from({ length: 132 }, (_, at) => 52 + at));
  });

  test("is refused when a bit of it, its head or its key is another", () => {
    for (let at = 0; at < 200; at++) {
      const changed = sealed();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(newSeal().open(changed, head)).toBe(null);
    }
    for (const name of ["from", "to", "boot", "number"] as const) {
      expect(newSeal().open(sealed(), { ...head, [name]: head[name] + 1 })).toBe(null);
    }
    expect(new KeySeal(otherKey, clusterBytes).open(sealed(), head)).toBe(null);
    expect(key.fingerprint === otherKey.fingerprint).toBe(false);
  });

  test("never uses a nonce twice: no two datagrams of a life have one number, whatever is sent again", () => {
    const [world, one] = DatagramWorld.pair(1, {}, newSeal());
    world.weather = { loss: 0.3, duplicates: 0, damage: 0, delayMs: 1, spreadMs: 0 };
    world.send(one, [appendOf(route, 500_000)]);
    world.pass(2000);
    const numbers = world.recorded.map(({ to, datagram }) => {
      const view = new DataView(datagram.buffer, datagram.byteOffset);
      return `${to} ${view.getBigUint64(28)} ${view.getBigUint64(44)}`;
    });
    expect(numbers.length).toBeGreaterThan(400);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});

test("forged, damaged and replayed datagrams change nothing where there is a key", () => {
  const [world, one, two] = DatagramWorld.pair(2, {}, newSeal());
  for (let number = 1; number <= 20; number++) world.send(one, [appendOf(route, number * 200)]);
  world.until(() => two.received.length === 20);
  const recording = world.recorded.filter(({ to }) => to === 2).map(({ datagram }) => datagram);
  const random = seededRandom(3);
  for (let count = 0; count < 4000; count++) {
    const datagram = recording[random.integer(0, recording.length - 1)] ?? new Uint8Array(0);
    world.inject(2, random.next() < 0.3 ? datagram : world.damaged(datagram));
    if (count % 500 === 0) world.pass(10);
  }
  expect(two.received.length).toBe(20);
  expect(two.endpoint.keptBytes).toBe(0);
  world.send(one, [appendOf(route, 10)]);
  world.until(() => two.received.length === 21, 3000);
});

for (const [name, keys] of [
  ["the same key", { 1: key, 2: key }],
  ["two keys", { 1: key, 2: otherKey }],
  ["a key on one side only", { 1: key, 2: undefined }],
  ["a key on the other side only", { 1: undefined, 2: key }],
] as const) {
  const same = keys[1] === keys[2];
  const keyOf = (id: 1 | 2): { key?: ClusterKey } => (keys[id] === undefined ? {} : { key: keys[id] });

  for (const { transport, unusedPort, newNode } of [
    { transport: "TCP", unusedPort: freePort, newNode: tcpNode },
    { transport: "UDP", unusedPort: freePort, newNode: udpNode },
  ]) {
    test(`over ${transport}, nodes with ${name} ${same ? "meet" : "never meet"}`, async () => {
      const ports = { 1: await unusedPort(), 2: await unusedPort() };
      const one = newNode({ self: 1, port: ports[1], peers: { 2: ports[2] }, ...keyOf(1) });
      const two = newNode({ self: 2, port: ports[2], peers: { 1: ports[1] }, ...keyOf(2) });
      const received = collect(two);
      await one.listen();
      await two.listen();
      await until(() => {
        one.send([heartbeat({ to: 2, round: 1 })]);
        return same ? received.length > 0 : refusedFrames(one) + refusedFrames(two) > 0;
      });
      expect(received.length > 0).toBe(same);
      one.close();
      two.close();
    });
  }
}

describe("the handshake of a connection", () => {
  const dialer = (with1: ClusterKey = key): DialerHandshake =>
    new DialerHandshake({ key: with1, clusterId: clusterBytes, self: 1 }, 2);
  const acceptor = (with2: ClusterKey = key): AcceptorHandshake =>
    new AcceptorHandshake({ key: with2, clusterId: clusterBytes, self: 2 });
  const replyOf = (step: ReturnType<AcceptorHandshake["receive"]>): Uint8Array => {
    if (step.kind === "refused" || step.reply === null) throw new Error("no reply");
    return step.reply;
  };

  test("ends with both sure of each other, byte by byte, and leaves what stands behind it", () => {
    const [one, two] = [dialer(), acceptor()];
    let answer: Uint8Array | null = null;
    for (const byte of one.opening) {
      const step = two.receive(Uint8Array.of(byte));
      if (step.kind === "more" && step.reply !== null) answer = step.reply;
    }
    const proof = replyOf(one.receive(answer ?? new Uint8Array(0)));
    expect(two.receive(Uint8Array.of(...proof, 1, 2, 3))).toEqual({
      kind: "done",
      reply: null,
      peer: 1,
      rest: Uint8Array.of(1, 2, 3),
    });
  });

  test("is refused to who repeats a recording of either side", () => {
    const [one, two] = [dialer(), acceptor()];
    const answer = replyOf(two.receive(one.opening));
    const proof = replyOf(one.receive(answer));
    const fresh = acceptor();
    fresh.receive(one.opening);
    expect(fresh.receive(proof).kind).toBe("refused");
    expect(dialer().receive(answer).kind).toBe("refused");
    expect(acceptor().receive(Uint8Array.of(...one.opening, ...proof)).kind).toBe("refused");
    expect(dialer(otherKey).receive(answer).kind).toBe("refused");
    expect(acceptor().receive(frameOf(heartbeat({ to: 2, round: 1 }))).kind).toBe("refused");
  });

  test("is what a stranger on the port fails at, and a peer goes on", async () => {
    const ports = { 1: await freePort(), 2: await freePort() };
    const two = tcpNode({ self: 2, port: ports[2], peers: { 1: ports[1] }, key });
    const received = collect(two);
    await two.listen();
    const stranger = await connectRaw(ports[2]);
    stranger.socket.write(frameOf(heartbeat({ to: 2, round: 1 })));
    await until(() => stranger.closed);
    const one = tcpNode({ self: 1, port: ports[1], peers: { 2: ports[2] }, key });
    await one.listen();
    await until(() => one.connected(2));
    one.send([heartbeat({ to: 2, round: 2 })]);
    await until(() => received.length > 0);
    expect(received.map(roundOf)).toEqual([2]);
    one.close();
    two.close();
  });
});

test("a key comes from a file, without the end of its line; a short or missing one is refused", () =>
  inTempDirectory((directory) => {
    const path = join(directory, "cluster.key");
    expect(() => readClusterKey(path)).toThrow("there is no such file");
    writeFileSync(path, "0123456789abcdef0123456789abcdef\n");
    chmodSync(path, 0o600);
    const { fingerprint } = readClusterKey(path);
    writeFileSync(path, "0123456789abcdef0123456789abcdef\r\n");
    expect(readClusterKey(path).fingerprint).toBe(fingerprint);
    expect(fingerprint).toMatch(/^[0-9a-f]{8}$/);
    writeFileSync(path, "0123456789abcdef0123456789abcde\n");
    expect(() => readClusterKey(path)).toThrow("it has 31 bytes");
    expect(checksumSeal.kind === newSeal().kind).toBe(false);
  }));
