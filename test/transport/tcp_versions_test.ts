/** Rule X4 on a connection: a frame that only a newer program understands costs that frame. */
import { expect, test } from "bun:test";
import { crc32 } from "../../src/lib/checksum.ts";
import { freePort } from "../helpers/free_port.ts";
import { collect } from "./conformance.ts";
import { frameOf, heartbeat, roundOf } from "./frames.ts";
import { connectRaw, tcpNode, until } from "./tcp_world.ts";

test("X4 a message that only a newer proa knows is counted, and what follows it is heard", async () => {
  const port = await freePort();
  const node = tcpNode({ self: 2, port, peers: { 1: await freePort() } });
  await node.listen();
  const received = collect(node);
  const client = await connectRaw(port);
  const newer = frameOf(heartbeat({ to: 2, round: 1 }));
  newer[7] = 200; // the kind of the message
  new DataView(newer.buffer, newer.byteOffset).setUint32(newer.length - 4, crc32(newer.subarray(4, -4)));
  client.socket.write(Uint8Array.of(...newer, ...frameOf(heartbeat({ to: 2, round: 2 }))));
  await until(() => received.length === 1);
  expect([received.map(roundOf), client.closed]).toEqual([[2], false]);
  expect([node.counters.framesForeign, node.counters.framesCorrupt]).toEqual([1, 0]);
  node.close();
});
