/** Whoever reads a TCP connection tells so now and then: a way that is cut is noticed though the system says nothing. */
import { expect, test } from "bun:test";
import { frameOf, heartbeat } from "./frames.ts";
import { connectRaw, pause, until, withBarePeer, withNode2 } from "./tcp_world.ts";

test("messages go to a new connection when the peer gives no sign any more that anything comes", async () => {
  await withBarePeer({ limits: { drainTimeoutMs: 100 }, paused: false }, async (node, sockets) => {
    node.send([heartbeat({ to: 2, round: 0 })]);
    sockets[0]?.write(Uint8Array.of(0));
    for (let round = 1; sockets.length === 1; round++) {
      node.send([heartbeat({ to: 2, round })]);
      await pause(10);
    }
    await until(() => node.connected(2));
    for (let round = 0; round < 30; round++) {
      node.send([heartbeat({ to: 2, round })]);
      await pause(10); // three times the limit: a peer that has never given a sign need not give one
    }
    expect(sockets.length).toBe(2);
  });
});

test("a way on which things begin to move late is given longer each time, so that they do", async () => {
  const limits = { drainTimeoutMs: 100 };
  await withBarePeer({ limits, paused: false }, async (node, sockets) => {
    let known = 0;
    let hasMoved = false;
    await until(() => {
      for (; known < sockets.length; known++) {
        const socket = sockets[known];
        socket?.write(Uint8Array.of(0));
        setTimeout(() => {
          hasMoved ||= socket === sockets.at(-1) && node.connected(2); // it was not given up in so long
        }, 2.5 * limits.drainTimeoutMs);
      }
      node.send([heartbeat({ to: 2, round: 1 })]);
      return hasMoved;
    });
    expect(sockets.length).toBeGreaterThan(1);
  });
});

test("what comes is told to a peer, again and again, and to no stranger", async () => {
  await withNode2({ drainTimeoutMs: 40 }, async (_, port) => {
    const stranger = await connectRaw(port);
    const peer = await connectRaw(port);
    const signs = { peer: 0, stranger: 0 };
    peer.socket.on("data", (chunk) => (signs.peer += chunk.length));
    stranger.socket.on("data", (chunk) => (signs.stranger += chunk.length));
    for (let round = 1; round <= 3; round++) {
      peer.socket.write(frameOf(heartbeat({ to: 2, round })));
      stranger.socket.write(frameOf(heartbeat({ to: 2, round })).subarray(0, 5 * round)); // never a whole frame
      await until(() => signs.peer === round);
    }
    expect(signs).toEqual({ peer: 3, stranger: 0 });
    for (const { socket } of [peer, stranger]) socket.destroy();
  });
});
