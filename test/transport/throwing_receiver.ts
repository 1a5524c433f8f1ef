/**
 * A process whose receiver, over `tcp` or `udp`, breaks an assertion. It must die of it; one that lives on ends with status 7.
 * For a test. There is no `await` at the top: Bun outlives an uncaught error for as long as one is pending there.
 */
import process from "node:process";
import { assert } from "../../src/lib/assert.ts";
import { freePort } from "../helpers/free_port.ts";
import { heartbeat } from "./frames.ts";
import { tcpNode, until } from "./tcp_world.ts";
import { udpNode } from "./udp_world.ts";

async function main(kind: string | undefined): Promise<void> {
  const [newNode, newPort] = kind === "udp" ? [udpNode, freePort] : [tcpNode, freePort];
  const ports = { 1: await newPort(), 2: await newPort() };
  const sender = newNode({ self: 1, port: ports[1], peers: { 2: ports[2] } });
  const receiver = newNode({ self: 2, port: ports[2], peers: { 1: ports[1] } });
  receiver.onMessage = () => assert(false, "a broken belief");
  await receiver.listen();
  await sender.listen();
  await until(() => sender.connected(2));
  sender.send([heartbeat({ to: 2, round: 1 })]);
  await until(() => receiver.counters.messagesReceived > 0);
  setTimeout(() => process.exit(7), 1000);
}

void main(process.argv[2]);
