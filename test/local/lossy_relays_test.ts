/** Loss between the nodes of a local cluster: what a stream loses comes late and in order, what datagrams lose is gone. */
import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { seededRandom, type Random } from "../../src/lib/random.ts";
import { LossyRelays } from "../../src/local/lossy_relays.ts";
import { LossyStream } from "../../src/local/lossy_stream.ts";
import { openUdp } from "../helpers/runtime.ts";
import { until } from "../transport/tcp_world.ts";

const host = "127.0.0.1";

/** A generator that says which packets are lost: one number for each that is asked about; behind the last nothing is. */
function losing(...lost: readonly boolean[]): Random {
  const left = [...lost];
  return { next: () => (left.shift() === true ? 0 : 0.99), integer: () => 0 };
}

/** When what is written has arrived: writes of so many bytes, each at its time. */
function arrivals(random: Random, writes: readonly (readonly [at: number, bytes: number])[]): readonly number[] {
  const stream = new LossyStream(0.5, random);
  const arrived: number[] = [];
  for (let now = 0; now < 5000; now++) {
    writes.forEach(([at, bytes], which) => {
      if (at === now) stream.push(new Uint8Array(bytes).fill(which), now);
    });
    for (const bytes of stream.take(now)) {
      expect(bytes[0]).toBe(arrived.length);
      arrived.push(now);
    }
  }
  expect([stream.heldBytes, stream.deadline]).toEqual([0, Infinity]);
  return arrived;
}

describe("a stream whose segments get lost", () => {
  const [lost, sent] = [true, false];

  test("waits for none of them while none is lost", () => {
    expect(
      arrivals(losing(), [
        [5, 100],
        [6, 100_000],
      ]),
    ).toEqual([5, 6]);
  });

  test("waits a round trip where others are behind the lost one, and what is written later waits, too", () => {
    expect(
      arrivals(losing(sent, lost, sent, sent), [
        [5, 5000],
        [5, 10],
      ]),
    ).toEqual([6, 6]);
  });

  test("waits for a probe where the last of several is lost", () => {
    expect(
      arrivals(losing(sent, sent, sent, lost), [
        [5, 5000],
        [20, 10],
      ]),
    ).toEqual([15, 20]);
    expect(
      arrivals(losing(lost, lost), [
        [5, 10],
        [6, 10],
      ]),
    ).toEqual([17, 17]); // the probe of the second is what tells of the first
  });

  test("waits for no probe where something has told of another loss: what repeats that one tells of this one", () => {
    expect(arrivals(losing(lost, sent, lost), [[5, 4000]])).toEqual([7]);
    expect(arrivals(losing(lost, sent, lost, lost), [[5, 4000]])).toEqual([207]);
  });

  test("waits for the timeout where one that travels alone is lost, and less when something follows that arrives", () => {
    expect(arrivals(losing(lost), [[5, 100]])).toEqual([205]);
    expect(
      arrivals(losing(lost, sent), [
        [5, 100],
        [50, 100],
      ]),
    ).toEqual([51, 51]);
  });

  test("sends what repeats a lost one, and is lost, too, again a round trip after something that follows it", () => {
    expect(
      arrivals(losing(lost, sent, lost, sent), [
        [5, 100],
        [50, 100],
        [80, 10],
      ]),
    ).toEqual([81, 81, 81]);
    expect(arrivals(losing(lost, lost, sent, lost, sent), [[5, 4000]])).toEqual([7]);
  });

  test("waits for a timeout that doubles where nothing follows, and for the shortest one once that has come", () => {
    expect(arrivals(losing(lost, lost, lost), [[5, 100]])).toEqual([1405]);
    expect(
      arrivals(losing(lost, lost, sent, lost), [
        [5, 100],
        [700, 100],
      ]),
    ).toEqual([605, 900]);
  });
});

test("a relay of TCP passes everything on, both ways and in order, and ends with either side", async () => {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const random = seededRandom(1);
  const relays = new LossyRelays({ transport: "tcp", lossRate: 0.02, random, runtime: { openUdp } });
  const socket = connect(await relays.open({ host, port }));
  const sent = Uint8Array.from({ length: 60_000 }, () => random.integer(0, 255));
  const echoed: Uint8Array[] = [];
  socket.on("data", (bytes: Uint8Array) => {
    echoed.push(bytes);
    if (echoed.reduce((total, { length }) => total + length, 0) >= sent.length) socket.end();
  });
  for (let at = 0; at < sent.length; at += 10_000) socket.write(sent.subarray(at, at + 10_000));
  await once(socket, "close");
  expect(Buffer.compare(Buffer.concat(echoed), sent)).toBe(0);
  relays.close();
  server.close();
}, 30_000);

test("a relay of datagrams loses those that chance says, and no others", async () => {
  const arrived: number[] = [];
  const target = await openUdp({ hostname: host, port: 0, receive: (datagram) => arrived.push(datagram[0] ?? 0) });
  const random = losing(false, true, false, true, true, false);
  const relays = new LossyRelays({ transport: "udp", lossRate: 0.3, random, runtime: { openUdp } });
  const way = await relays.open({ host, port: target.port });
  const source = await openUdp({ hostname: host, port: 0, receive: () => undefined });
  const send = (number: number): void => {
    source.send([{ datagram: Uint8Array.of(number), to: { address: host, port: way.port } }]);
  };
  for (let number = 0; number < 7; number++) send(number);
  await until(() => arrived.length >= 4);
  send(7);
  await until(() => arrived.includes(7));
  expect([arrived.length, new Set(arrived).size]).toEqual([5, 5]); // which of them depends on their order, which nobody promises
  for (const socket of [target, source]) socket.close();
  relays.close();
});
