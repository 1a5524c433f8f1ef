/** Clients that break rules: raw bytes on the port, and a WebSocket that sends and never reads. */
import { connect } from "node:net";
import type { Socket } from "node:net";
import { assert } from "../../src/lib/assert.ts";

/** Sends `bytes` and returns what came back until the server closed or, at the latest, a quarter of a second had passed. */
export function sendRaw(port: number, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let received = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    const timer = setTimeout(() => socket.destroy(), 250);
    socket.on("data", (data) => {
      received += data.toString("latin1");
    });
    socket.on("error", () => undefined); // a reset is an answer too
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(received);
    });
  });
}

/** A WebSocket to /rpc that reads its handshake and then nothing more. */
export async function deafSocket(port: number): Promise<{ send(message: Uint8Array): void; destroy(): void }> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined); // being dropped is what it is for
  socket.write(
    "GET /rpc HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  await firstBytes(socket);
  socket.pause();
  return {
    send: (message) => void socket.write(clientFrame(message)),
    destroy: () => void socket.destroy(),
  };
}

function firstBytes(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("data", () => {
      resolve();
    });
  });
}

/** One binary message as a client frames it (RFC 6455 §5.2), with a mask of zeros. */
function clientFrame(message: Uint8Array): Uint8Array {
  assert(message.length < 126, "only short messages");
  const framed = new Uint8Array(6 + message.length);
  framed[0] = 0x82;
  framed[1] = 0x80 | message.length;
  framed.set(message, 6);
  return framed;
}
