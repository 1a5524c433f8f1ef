/** Port blocks, next to real listeners. Other programs may hold ports here, too: the tests only rely on their own. */
import { expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { firstReplicatePort, freePorts, planPorts, portIsFree, type PortPlan } from "../../src/local/ports.ts";

test("a plan is a block of neighbours on loopback, and all of it is free", async () => {
  const { servers } = await planPorts(3);
  const first = servers[0]?.replicate.port ?? 0;
  expect((first - firstReplicatePort) % 10).toBe(0);
  expect(servers.map(({ id, replicate, service }) => [id, replicate.port, service.port])).toEqual([
    [1, first, first + 1000],
    [2, first + 1, first + 1001],
    [3, first + 2, first + 1002],
  ]);
  for (const port of portsOf({ servers })) expect(await portIsFree("127.0.0.1", port)).toBe(true);
});

test("a port that is taken by UDP alone is not free", async () => {
  const [port = 0] = await freePorts("127.0.0.1", 1);
  const socket = createSocket("udp4");
  socket.bind(port + 1, "127.0.0.1");
  await once(socket, "listening");
  expect(await freePorts("127.0.0.1", 1)).not.toEqual([port + 1]);
  socket.close();
});

test("free ports are drawn where no system takes the ports of outgoing connections from", async () => {
  const ports = [...(await freePorts("127.0.0.1", 10)), ...(await freePorts("127.0.0.1", 10))];
  expect(new Set(ports).size).toBe(20);
  for (const port of ports) {
    expect(port >= 1024 && port < 32_768).toBe(true); // Linux takes them from 32,768 on, others from 49,152 on
    expect(await portIsFree("127.0.0.1", port)).toBe(true);
  }
});

test("one taken port moves the whole block, and is named", async () => {
  const before = await planPorts(2);
  const taken = before.servers[1]?.service.port ?? 0;
  await whileListening(taken, async () => {
    expect(await portIsFree("127.0.0.1", taken)).toBe(false);
    const after = await planPorts(2);
    expect(portsOf(after)).not.toContain(taken);
    expect(portsOf(after).filter((port) => portsOf(before).includes(port))).toEqual([]);
    expect(after.taken).toBe(before.taken ?? taken);
    const smaller = await planPorts(1);
    expect(smaller.servers[0]?.replicate.port).toBe(before.servers[0]?.replicate.port ?? 0); // its block is still free
  });
  expect(await portIsFree("127.0.0.1", taken)).toBe(true);
});

function portsOf({ servers }: Pick<PortPlan, "servers">): readonly number[] {
  return servers.flatMap(({ replicate, service }) => [replicate.port, service.port]);
}

async function whileListening(port: number, body: () => Promise<void>): Promise<void> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  try {
    await body();
  } finally {
    server.close();
    await once(server, "close");
  }
}
