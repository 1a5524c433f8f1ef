/**
 * Throws hostile datagrams at every node of a real cluster over UDP:
 *
 *     bun bench/forged_datagrams.ts [datagrams a node] [seed]
 *
 * Default: a million a node, first without a key, then with one. The attacker stands between the nodes, so it has
 * recorded real datagrams, which it replays, cuts, damages and sends to the wrong node; it knows the cluster id and forges
 * greetings and datagrams with it, without a key all but their random numbers. There are three parts: as a measure of what
 * the load on this machine does, a fifth of as many datagrams to ports where nobody listens, while clients write; half of
 * them at the nodes, while clients write; and half at the nodes while nobody writes. Each goes on until every node has
 * counted its share. The nodes wait long for their leader, so that an election is the work of the attacker and not of a
 * busy machine. Prints what the counters of each node say and what was the same before and after. Exits with 1 when
 * a term, a leader, a write or a session changed under attack, without writers what is applied or stored as well, when a
 * node ended, or when it grew by more than 64 MiB in the second half: in the first it grows as far as its collector lets
 * garbage lie.
 */
import { loadavg } from "node:os";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { seededRandom } from "../src/lib/random.ts";
import type { UdpSocket } from "../src/runtime/runtime.ts";
import { clusterIdBytes } from "../src/wire/mod.ts";
import { RealCluster, type StatusView } from "../test/e2e/cluster.ts";
import { freePorts } from "../test/helpers/free_port.ts";
import { until } from "../test/helpers/until.ts";
import { Load, lostKeys } from "../test/e2e/load.ts";
import { residentBytes } from "../test/helpers/resident_memory.ts";
import { openUdp } from "../test/helpers/runtime.ts";
import type { FromSender, SenderTask, ToSender, Victim } from "./forged_sender.ts";

const [wanted = 1_000_000, seed = 20261126] = process.argv.slice(2).map(Number);
const random = seededRandom(seed);
const host = "127.0.0.1";
const callers = 8;
/** The most that is recorded for each node: the greetings first, then whatever passes. */
const recordedMax = 3000;
/** How many of the newest the attacker is given twice a second: few, because nobody passes anything on meanwhile. */
const newerMax = 50;
const electionTimeout = "3s";
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

interface View extends Omit<StatusView, "transport"> {
  readonly pid: number;
  readonly cluster_id: string;
  readonly transport: Counters;
  readonly rssBytes: number;
}

/** What one part does, and what must not change while it does. */
interface Part {
  readonly name: string;
  /** How many datagrams for each node. */
  readonly count: number;
  readonly isAtNodes: boolean;
  readonly same: readonly (keyof View)[];
  readonly isMemoryJudged: boolean;
}

const parts = {
  elsewhere: { name: "elsewhere", count: wanted / 5, isAtNodes: false, same: [], isMemoryJudged: false },
  writing: {
    name: "while clients write",
    count: wanted / 2,
    isAtNodes: true,
    same: ["term", "role", "leader"],
    isMemoryJudged: false,
  },
  idle: {
    name: "while nobody writes",
    count: wanted / 2,
    isAtNodes: true,
    same: ["term", "role", "leader", "applied_index", "state_hash"],
    isMemoryJudged: true,
  },
} as const satisfies Record<string, Part>;

const problems: string[] = [];
for (const withKey of [false, true]) await attack(withKey);
console.log(JSON.stringify({ load: loadavg()[0], problems }));
if (problems.length > 0) process.exitCode = 1;

async function attack(withKey: boolean): Promise<void> {
  const keyFile = join(process.env["TMPDIR"] ?? "/tmp", `proa-forged-${process.pid}.key`);
  writeFileSync(keyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  const cluster = await RealCluster.start(3, [
    "--transport",
    "udp",
    "--election-timeout",
    electionTimeout,
    ...(withKey ? ["--cluster-key-file", keyFile] : []),
  ]);
  const recorded = new Map<number, Uint8Array[]>();
  const sockets: UdpSocket[] = [];
  try {
    await Promise.all(cluster.ids.map((id) => cluster.kill(id, "SIGTERM")));
    const ways = new Map<number, number>();
    for (const id of cluster.ids) ways.set(id, await record(id));
    for (const id of cluster.ids) cluster.reroute(id, ways);
    for (const id of cluster.ids) cluster.start(id);
    await cluster.leader();
    const load = new Load(cluster, { callers, prefix: "k" });
    await until("enough is recorded", () =>
      Promise.resolve([...recorded.values()].every(({ length }) => length > 200)),
    );
    await quiet(load, "before", 5000);
    await run(parts.elsewhere, load);
    await run(parts.writing, load);
    await quiet(load, "afterwards", 3000);
    const { acknowledged, refused, unknown, longestPauseMs } = await load.stop();
    await cluster.caughtUp();
    await run(parts.idle, null);
    const lost = (await Promise.all(cluster.ids.map((id) => lostKeys(cluster, id, acknowledged)))).flat();
    if (lost.length > 0) problems.push(`lost: ${lost.slice(0, 10).join(", ")}`);
    const facts = { acknowledged: acknowledged.length, lost: lost.length, refused, unknown, longestPauseMs };
    console.log(JSON.stringify({ key: withKey, seed, ...facts }));
  } finally {
    await cluster.stop();
    for (const socket of sockets) socket.close();
  }

  /** Passes on what is sent to a node, and keeps some of it; returns where. */
  async function record(id: number): Promise<number> {
    const list: Uint8Array[] = [];
    recorded.set(id, list);
    const target = { address: host, port: cluster.portsOf(id).replicate };
    const socket = await openUdp({
      hostname: host,
      port: 0,
      receive: (datagram) => {
        if (list.length < recordedMax) list.push(datagram);
        else {
          list.splice(random.integer(20, recordedMax - 1), 1);
          list.push(datagram);
        }
        socket.send([{ datagram, to: target }]);
      },
    });
    sockets.push(socket);
    return socket.port;
  }

  async function run(part: Part, load: Load | null): Promise<void> {
    const before = await views();
    const startedAt = performance.now();
    const putsBefore = load?.acknowledgedCount ?? 0;
    const sent = await throwAt(part, before);
    const seconds = (performance.now() - startedAt) / 1000;
    const after = await views();
    const putsPerS = Math.round(((load?.acknowledgedCount ?? 0) - putsBefore) / seconds);
    console.log(JSON.stringify({ key: withKey, part: part.name, seconds: Math.round(seconds), sent, putsPerS }));
    for (const id of cluster.ids) judge(part, viewIn(before, id), viewIn(after, id));
  }

  /** Sends until each node has counted its share; returns how much that took, by node. */
  async function throwAt({ count, isAtNodes }: Part, before: Views): Promise<Readonly<Record<string, number>>> {
    const elsewhere = await freePorts(cluster.ids.length);
    const victims = (recordings: number): readonly Victim[] =>
      cluster.ids.map((id, at) => ({
        id,
        port: isAtNodes ? cluster.portsOf(id).replicate : (elsewhere[at] ?? 0),
        recorded: recorded.get(id)?.slice(-recordings) ?? [],
      }));
    const task: SenderTask = {
      seed,
      clusterId: clusterIdBytes(viewIn(before, 1).cluster_id),
      victims: victims(recordedMax),
    };
    const sender = new Worker(new URL("./forged_sender.ts", import.meta.url), { workerData: task });
    const tell = (message: ToSender): void => {
      sender.postMessage(message);
    };
    let sent: FromSender = new Map();
    sender.on("message", (message: FromSender) => (sent = message));
    const { promise: ended, resolve, reject } = Promise.withResolvers<unknown>();
    sender.on("exit", resolve);
    sender.on("error", reject);
    const done = new Set<number>();
    while (done.size < cluster.ids.length) {
      await pause(500);
      const now = await views();
      for (const id of cluster.ids) {
        const counted = refusedOf(viewIn(now, id).transport) - refusedOf(viewIn(before, id).transport);
        if ((isAtNodes ? counted : (sent.get(id) ?? 0)) >= count) done.add(id);
      }
      tell({ enough: [...done] });
      tell({ newer: victims(newerMax) });
    }
    await ended;
    return Object.fromEntries(sent);
  }

  function judge(part: Part, from: View, to: View): void {
    const id = from.node_id;
    if (!cluster.isRunning(id)) problems.push(`node ${id} ended`);
    for (const name of part.same)
      if (from[name] !== to[name]) problems.push(`node ${id}, ${part.name}: another ${name}`);
    if (part.isAtNodes && to.transport.connectionsOpened > from.transport.connectionsOpened)
      problems.push(`node ${id}, ${part.name}: new sessions`);
    const grown = to.rssBytes - from.rssBytes;
    if (part.isMemoryJudged && grown > grownBytesMax) problems.push(`node ${id} grew by ${grown} bytes`);
    const pair = (name: keyof View): readonly unknown[] => [from[name], to[name]];
    const facts = { term: pair("term"), role: pair("role"), applied: pair("applied_index"), hash: pair("state_hash") };
    const rss_mb = [from.rssBytes, to.rssBytes].map((bytes) => Math.round(bytes / 2 ** 20));
    const counted = Object.fromEntries(counterNames.map((name) => [name, to.transport[name] - from.transport[name]]));
    console.log(JSON.stringify({ node: id, ...facts, rss_mb, ...counted }));
  }

  async function views(): Promise<Views> {
    return Promise.all(
      cluster.ids.map(async (id) => {
        const view = (await (await fetch(`http://${cluster.endpoint(id)}/api/status`)).json()) as Omit<
          View,
          "rssBytes"
        >;
        return { ...view, rssBytes: residentBytes(view.pid) };
      }),
    );
  }
}

type Views = readonly View[];

function viewIn(views: Views, id: number): View {
  const view = views.find(({ node_id }) => node_id === id);
  if (view === undefined) throw new Error(`node ${id} says nothing`);
  return view;
}

function refusedOf(counters: Counters): number {
  const { framesForeign, framesCorrupt, datagramsStale, greetingsReceived, datagramsRepeated } = counters;
  return framesForeign + framesCorrupt + datagramsStale + greetingsReceived + datagramsRepeated;
}

/** How many writes a second there are while nothing is done to the cluster. */
async function quiet(load: Load, when: string, ms: number): Promise<void> {
  const before = load.acknowledgedCount;
  await pause(ms);
  console.log(JSON.stringify({ when, putsPerS: Math.round(((load.acknowledgedCount - before) * 1000) / ms) }));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
