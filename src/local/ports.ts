/** Finds ports for the nodes of a local cluster: a block of neighbours, moved as a whole when one of them is taken. */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer, isIPv6 } from "node:net";
import { ProaError } from "../lib/errors.ts";
import { servicePortOffset, type ServerAddress } from "./server_list.ts";

/** The replicate port of the first node, where it is free: 4001, with its service port 5001. */
export const firstReplicatePort = 4001;

/** How far a block with a taken port moves. More than {@link nodesMax}, so that blocks do not overlap. */
const blockStep = 10;
/** How many blocks are tried: up to replicate port 4491. */
const blocksMax = 50;

/** Where {@link freePorts} draws: above the ports that services are known by, below those of outgoing connections. */
const drawnPorts = { from: 16_384, to: 32_767 };

const busyHint = "stop what listens there; `ss -ltnp` or `lsof -iTCP -sTCP:LISTEN` lists it";

/** The most nodes of a local cluster: what one block holds. */
export const nodesMax = 9;

export interface PortPlan {
  readonly servers: readonly ServerAddress[];
  /** The first port that was taken in the block that everybody expects; null when the plan is that block. */
  readonly taken: number | null;
}

/** Plans nodes 1 to `count` on loopback. Throws a `ProaError` PORT_BUSY when no block is free. */
export async function planPorts(count: number): Promise<PortPlan> {
  let taken: number | null = null;
  for (let block = 0; block < blocksMax; block++) {
    const servers = serversOfBlock({ count, block });
    const busy = await firstBusyPort(servers);
    if (busy === null) return { servers, taken };
    taken ??= busy;
  }
  const last = firstReplicatePort + blocksMax * blockStep - 1;
  throw new ProaError("PORT_BUSY", `Cannot find ${count} free ports between ${firstReplicatePort} and ${last}`, {
    hint: busyHint,
  });
}

/** Whether nothing listens on `port` of `host`. */
export function portIsFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => {
      resolve(false);
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/** The first port of a plan that something listens on; null when all are free. */
export async function firstBusyPort(servers: readonly ServerAddress[]): Promise<number | null> {
  for (const { replicate, service } of servers) {
    for (const { host, port } of [replicate, service]) {
      if (!(await portIsFree(host, port))) return port;
    }
  }
  return null;
}

function serversOfBlock({
  count,
  block,
}: {
  readonly count: number;
  readonly block: number;
}): readonly ServerAddress[] {
  const host = "127.0.0.1";
  return Array.from({ length: count }, (_, position) => {
    const port = firstReplicatePort + block * blockStep + position;
    return { id: position + 1, replicate: { host, port }, service: { host, port: port + servicePortOffset } };
  });
}

/** The port of {@link drawnPorts} that {@link freePorts} looks at next: begins anywhere, so that processes do not meet. */
let nextDrawn = randomInt(drawnPorts.from, drawnPorts.to + 1);

/**
 * Ports of `host` that nothing listens on now, neither by TCP nor by UDP; all different, and others each time. None is of the
 * range that systems take the ports of outgoing connections from, or one of those could have it by the time that somebody
 * listens. Throws a `ProaError` PORT_BUSY when it finds none.
 */
export async function freePorts(host: string, count: number): Promise<readonly number[]> {
  const { from, to } = drawnPorts;
  const free: number[] = [];
  for (let tries = 0; free.length < count; tries++) {
    if (tries > to - from) {
      throw new ProaError("PORT_BUSY", `Cannot find ${count} free ports between ${from} and ${to}`, {
        hint: busyHint,
      });
    }
    const port = nextDrawn;
    nextDrawn = port === to ? from : port + 1;
    if ((await portIsFree(host, port)) && (await udpPortIsFree(host, port))) free.push(port);
  }
  return free;
}

function udpPortIsFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4" });
    socket.once("error", () => {
      resolve(false);
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.close(() => {
        resolve(true);
      });
    });
  });
}
