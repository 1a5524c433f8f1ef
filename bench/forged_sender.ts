/**
 * The attacker of forged_datagrams.ts, in a thread of its own, so that whoever passes the nodes' own datagrams on is not
 * kept from it: throws hostile datagrams at ports until it is told to stop.
 */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../src/lib/assert.ts";
import { seededRandom } from "../src/lib/random.ts";
import { writeBye } from "../src/transport/datagram_sections.ts";
import { openUdp } from "../test/helpers/runtime.ts";
import { flipped, forged, forgedHello, noise, truncated } from "../test/transport/attacker.ts";

/** Where one node's share goes, and what was recorded on its way. */
export interface Victim {
  readonly id: number;
  readonly port: number;
  readonly recorded: readonly Uint8Array[];
}

export interface SenderTask {
  readonly seed: number;
  readonly clusterId: Uint8Array;
  readonly victims: readonly Victim[];
}

/** To the sender: newer recordings, or that these nodes have had enough. From it: how much it has sent, by node. */
export type ToSender = { readonly newer: readonly Victim[] } | { readonly enough: readonly number[] };
export type FromSender = ReadonlyMap<number, number>;

const host = "127.0.0.1";
/** How many are made up for each node, to be thrown again and again. */
const madeMax = 20_000;
/** What is thrown at a node at once, and how long the attacker waits then: more at once than this would be lost in the socket. */
const burst = 100;
const pauseMs = 2;

const { seed, clusterId, victims } = workerData as SenderTask;
assert(parentPort !== null, "this runs in a thread");
const port = parentPort;
const random = seededRandom(seed);
const recorded = new Map(victims.map((victim) => [victim.id, [...victim.recorded]]));
const made = new Map(victims.map(({ id }) => [id, Array.from({ length: madeMax }, () => madeUp(id))]));
const sent = new Map(victims.map(({ id }) => [id, 0]));
const done = new Set<number>();
port.on("message", (message: ToSender) => {
  if ("enough" in message) for (const id of message.enough) done.add(id);
  else for (const { id, recorded: newer } of message.newer) keep(recorded.get(id) ?? [], newer);
});
const socket = await openUdp({ hostname: host, port: 0, receive: () => undefined });
while (done.size < victims.length) {
  for (const victim of victims) {
    if (done.has(victim.id)) continue;
    const to = { address: host, port: victim.port };
    socket.send(Array.from({ length: burst }, () => ({ datagram: hostile(victim.id), to })));
    sent.set(victim.id, (sent.get(victim.id) ?? 0) + burst);
  }
  port.postMessage(sent satisfies FromSender);
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
}
socket.close();
port.close();

/** Puts newer recordings in the place of others. */
function keep(list: Uint8Array[], newer: readonly Uint8Array[]): void {
  for (const datagram of newer) list[random.integer(0, list.length - 1)] = datagram;
}

/** Half of what is thrown was made up before, the rest is made of what passed. */
function hostile(id: number): Uint8Array {
  if (random.next() < 0.5) return oneOf(made.get(id) ?? []);
  const one = oneOf(recorded.get(random.next() < 0.05 ? (id % 3) + 1 : id) ?? []);
  const how = random.integer(0, 2);
  return how === 0 ? truncated(one, random) : how === 1 ? flipped(one, random) : one;
}

function madeUp(id: number): Uint8Array {
  const from = ((id + random.integer(0, 1)) % 3) + 1;
  const any = (): number => random.integer(1, 2 ** 52);
  switch (random.integer(0, 2)) {
    case 0:
      return noise(random);
    case 1:
      return forgedHello(clusterId, { from, to: id }, random);
    default:
      return forged(clusterId, { from, to: id, boot: any(), token: any(), number: any() }, writeBye);
  }
}

function oneOf(list: readonly Uint8Array[]): Uint8Array {
  return list[random.integer(0, list.length - 1)] ?? new Uint8Array(1);
}
