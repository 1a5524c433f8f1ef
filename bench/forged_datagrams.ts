/**
 * Throws hostile datagrams at every node of a real cluster over UDP, while clients write:
 *
 *     bun bench/forged_datagrams.ts [datagrams a node] [seed]
 *
 * Default: a million a node, first without a key, then with one. The attacker stands between the nodes, so it has
 * recorded real datagrams, which it replays, cuts, damages and sends to the wrong node; it knows the cluster id and forges
 * greetings and datagrams with it, without a key all but their random numbers. It goes on until each node has counted
 * that many. Prints what the counters of each node say, its memory before and after, and how the writes went; exits with 1
 * when a term, a leader or a write changed because of it, when a node ended, or when it grew by more than 64 MiB in the second
 * half of the attack: in the first it grows as far as its collector lets garbage lie.
 */
import { loadavg } from "node:os";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../src/lib/random.ts";
import type { UdpSocket } from "../src/runtime/runtime.ts";
import { writeBye } from "../src/transport/datagram_sections.ts";
import { clusterIdBytes } from "../src/wire/mod.ts";
import { RealCluster, until } from "../test/e2e/cluster.ts";
import { Load, lostKeys } from "../test/e2e/load.ts";
import { openUdp } from "../test/helpers/runtime.ts";
import { flipped, forged, forgedHello, noise, truncated } from "../test/transport/attacker.ts";

const [wanted = 1_000_000, seed = 20261126] = process.argv.slice(2).map(Number);
const random = seededRandom(seed);
const host = "127.0.0.1";
const callers = 8;
/** The most that is recorded for each node: the greetings first, then whatever passes. */
const recordedMax = 3000;
/** How many are made up for each node, to be thrown again and again. */
const madeMax = 20_000;
/** What is thrown at a node at once, and how long the attacker waits then: more at once than this would be lost in the socket. */
const burst = 100;
const pauseMs = 2;
const grownBytesMax = 64 * 1024 * 1024;
const counterNames = [
  "datagramsReceived",
  "framesForeign",
  "framesCorrupt",
  "datagramsStale",
  "greetingsReceived",
  "datagramsRepeated",
  "framesUnfinished",
  "connectionsOpened",
] as const;

type Counters = Readonly<Record<(typeof counterNames)[number], number>>;

interface View {
  readonly pid: number;
  readonly cluster_id: string;
  readonly term: number;
  readonly leader: number | null;
  readonly transport: Counters;
}

const problems: string[] = [];
for (const withKey of [false, true]) await attack(withKey);
console.log(JSON.stringify({ load: loadavg()[0], problems }));
if (problems.length > 0) process.exitCode = 1;

async function attack(withKey: boolean): Promise<void> {
  const keyFile = join(process.env["TMPDIR"] ?? "/tmp", `proa-forged-${process.pid}.key`);
  writeFileSync(keyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  const flags = ["--transport", "udp", ...(withKey ? ["--cluster-key-file", keyFile] : [])];
  const cluster = await RealCluster.start(3, flags);
  const sockets: UdpSocket[] = [];
  try {
    const recorded = new Map<number, Uint8Array[]>();
    await Promise.all(cluster.ids.map((id) => cluster.kill(id, "SIGTERM")));
    const ways = new Map<number, number>();
    for (const id of cluster.ids) ways.set(id, await record(id));
    for (const id of cluster.ids) cluster.reroute(id, ways);
    for (const id of cluster.ids) cluster.start(id);
    await cluster.leader();
    const halfway = new Map<number, number>();
    const load = new Load(cluster, { callers, prefix: "k" });
    await until("enough is recorded", () =>
      Promise.resolve([...recorded.values()].every(({ length }) => length > 500)),
    );
    await quiet(load, "in quiet", 5000);
    const before = await views();
    await throwAt(cluster.ids, recorded, clusterIdBytes(before.get(1)?.cluster_id ?? ""));
    const after = await views();
    const quietPutsPerS = await quiet(load, "afterwards", 3000);
    const report = await load.stop();
    await cluster.caughtUp();
    for (const id of cluster.ids) judge(id, before.get(id), after.get(id));
    const lost = (await Promise.all(cluster.ids.map((id) => lostKeys(cluster, id, report.acknowledged)))).flat();
    if (lost.length > 0) problems.push(`lost: ${lost.slice(0, 10).join(", ")}`);
    const { refused, unknown, longestPauseMs, acknowledged } = report;
    const facts = { acknowledged: acknowledged.length, lost: lost.length, refused, unknown, longestPauseMs };
    console.log(JSON.stringify({ key: withKey, seed, ...facts, quietPutsPerS }));

    async function record(id: number): Promise<number> {
      const list: Uint8Array[] = [];
      recorded.set(id, list);
      const target = { address: host, port: cluster.portsOf(id).replicate };
      const socket = await openUdp({
        hostname: host,
        port: 0,
        receive: (datagram) => {
          if (list.length < recordedMax) list.push(datagram);
          else list[random.integer(20, recordedMax - 1)] = datagram;
          socket.send([datagram], target);
        },
      });
      sockets.push(socket);
      return socket.port;
    }

    async function throwAt(ids: readonly number[], all: typeof recorded, clusterId: Uint8Array): Promise<void> {
      const socket = await openUdp({ hostname: host, port: 0, receive: () => undefined });
      sockets.push(socket);
      const made = new Map(ids.map((id) => [id, Array.from({ length: madeMax }, () => madeUp(id, clusterId))]));
      const startedAt = performance.now();
      const putsBefore = load.acknowledgedCount;
      const sent = new Map(ids.map((id) => [id, 0]));
      const done = new Set<number>();
      const pids = new Map([...before].map(([id, { pid }]) => [id, pid]));
      for (let lookAt = 0; done.size < ids.length;) {
        for (const id of ids) {
          if (done.has(id)) continue;
          const datagrams = Array.from({ length: burst }, () => hostile(id, all, made.get(id) ?? []));
          socket.send(datagrams, { address: host, port: cluster.portsOf(id).replicate });
          sent.set(id, (sent.get(id) ?? 0) + burst);
        }
        await pause(pauseMs);
        if (performance.now() < lookAt) continue;
        lookAt = performance.now() + 1000;
        for (const id of ids) {
          const counted = countedSince(id, await viewOf(id));
          if (counted >= wanted) done.add(id);
          if (counted >= wanted / 2 && !halfway.has(id)) halfway.set(id, rssOf(pids.get(id) ?? 0));
        }
      }
      const seconds = (performance.now() - startedAt) / 1000;
      const putsPerS = Math.round((load.acknowledgedCount - putsBefore) / seconds);
      console.log(
        JSON.stringify({ key: withKey, seconds: Math.round(seconds), sent: Object.fromEntries(sent), putsPerS }),
      );
    }

    /** Half of what is thrown was made up before, the rest is made of what passed. */
    function hostile(id: number, all: typeof recorded, made: readonly Uint8Array[]): Uint8Array {
      if (random.next() < 0.5) return made[random.integer(0, made.length - 1)] ?? new Uint8Array(1);
      const real = all.get(random.next() < 0.05 ? (id % 3) + 1 : id) ?? [];
      const one = real[random.integer(0, real.length - 1)] ?? new Uint8Array(1);
      const how = random.integer(0, 2);
      return how === 0 ? truncated(one, random) : how === 1 ? flipped(one, random) : one;
    }

    function madeUp(id: number, clusterId: Uint8Array): Uint8Array {
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

    /** What a node has refused since the attack began. */
    function countedSince(id: number, view: View): number {
      return refusedOf(view.transport) - refusedOf(before.get(id)?.transport ?? view.transport);
    }

    function judge(id: number, from: (View & Memory) | undefined, to: (View & Memory) | undefined): void {
      if (from === undefined || to === undefined) throw new Error(`node ${id} says nothing`);
      if (!cluster.isRunning(id)) problems.push(`node ${id} ended`);
      if (from.term !== to.term || from.leader !== to.leader) problems.push(`node ${id}: another term or leader`);
      const half = halfway.get(id) ?? from.rssBytes;
      const grown = to.rssBytes - half;
      if (grown > grownBytesMax) problems.push(`node ${id} grew by ${grown} bytes`);
      if (to.transport.connectionsOpened > from.transport.connectionsOpened) problems.push(`node ${id}: new sessions`);
      const counted = Object.fromEntries(counterNames.map((name) => [name, to.transport[name] - from.transport[name]]));
      const logged = cluster.log(id).split("\n").length;
      const facts = { term: [from.term, to.term], leader: [from.leader, to.leader], log_lines: logged };
      const megabytes = [from.rssBytes, half, to.rssBytes].map((bytes) => Math.round(bytes / 2 ** 20));
      console.log(JSON.stringify({ key: withKey, node: id, ...facts, rss_mb: megabytes, ...counted }));
    }
  } finally {
    await cluster.stop();
    for (const socket of sockets) socket.close();
  }

  async function views(): Promise<ReadonlyMap<number, View & Memory>> {
    const list = await Promise.all(cluster.ids.map(viewOf));
    return new Map(list.map((view, at) => [cluster.ids[at] ?? 0, { ...view, rssBytes: rssOf(view.pid) }]));
  }

  async function viewOf(id: number): Promise<View> {
    return (await (await fetch(`http://${cluster.endpoint(id)}/api/status`)).json()) as View;
  }
}

interface Memory {
  readonly rssBytes: number;
}

function refusedOf(counters: Counters): number {
  const { framesForeign, framesCorrupt, datagramsStale, greetingsReceived, datagramsRepeated } = counters;
  return framesForeign + framesCorrupt + datagramsStale + greetingsReceived + datagramsRepeated;
}

function rssOf(pid: number): number {
  const [, kilobytes = "0"] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/** How many writes a second there are while nothing is done to the cluster. */
async function quiet(load: Load, when: string, ms: number): Promise<number> {
  const before = load.acknowledgedCount;
  await pause(ms);
  const perSecond = Math.round(((load.acknowledgedCount - before) * 1000) / ms);
  console.log(JSON.stringify({ when, putsPerS: perSecond }));
  return perSecond;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
