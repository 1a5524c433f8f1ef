/**
 * How much memory a leader needs for a follower that does not keep pace, on real nodes in network namespaces (as root):
 *
 *     bun bench/slow_follower.ts [tcp or udp] [seconds]
 *
 * Default: TCP, 60 seconds a part. The same 10,000 keys are written with 1 KiB, 256 puts at a time, of which no old versions
 * are kept: while all followers keep pace, while one is stopped (SIGSTOP), while one is behind a link of 1 Mbit/s, and while
 * all keep pace again. Prints the largest resident memory of the leader in each part and how the follower caught up
 * afterwards. Exits with 1 when the leader needed 128 MiB more than while all kept pace, when the leader changed, or when the
 * nodes do not become equal afterwards.
 */
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { BrokenWorld } from "../test/e2e/broken_world.ts";
import { enterNamespaces } from "../test/e2e/namespaces.ts";
import type { Heal } from "../test/e2e/packet_filter.ts";
import { residentBytes } from "../test/helpers/resident_memory.ts";

const grownMegabytesMax = 128;
const linkBitsPerSecond = 1_000_000;

enterNamespaces(fileURLToPath(import.meta.url));
const [protocol = "tcp", seconds = "60"] = process.argv.slice(2);
const kind = protocol === "udp" ? "udp" : "tcp";
const world = await BrokenWorld.start(kind, { nodes: 3, isRecorded: false, flags: ["--election-timeout", "2s"] });
const problems: string[] = [];
try {
  const { cluster, network } = world;
  const { leader, others } = await world.roles();
  const [slow = 0] = others;
  const pid = await cluster.pidOf(leader);
  await world.runs("cluster", "set", "history_revisions=100", "history_bytes=1MiB"); // else its filling is all that grows
  await load("to begin with", Number(seconds));
  const usual = await load("all keep pace", Number(seconds));
  for (const [name, hinder] of [
    ["one is stopped", stop],
    [`one is behind ${linkBitsPerSecond / 1e6} Mbit/s`, () => network.slow(slow, linkBitsPerSecond)],
  ] as const) {
    const heal = hinder();
    const most = await load(name, Number(seconds));
    if (most > usual + grownMegabytesMax) problems.push(`${name}: ${most} MB, usually ${usual} MB`);
    heal();
    const startedAt = performance.now();
    await cluster.caughtUp();
    console.log(JSON.stringify({ part: name, caught_up_after_ms: Math.round(performance.now() - startedAt) }));
  }
  await load("all keep pace again", Number(seconds));
  console.log(JSON.stringify({ what: "slow follower", kind, problems, load: loadavg()[0] }));
  if (problems.length > 0) process.exitCode = 1;

  function stop(): Heal {
    cluster.signal(slow, "SIGSTOP");
    return () => {
      cluster.signal(slow, "SIGCONT");
    };
  }

  /** Puts for so long; returns the most that the leader had in memory. Megabytes. */
  async function load(part: string, duration: number): Promise<number> {
    const words = `bench --value-size 1024 --key-count 10000 --in-flight 256 --warmup 1ms --duration ${duration}s --json`;
    let most = 0;
    const look = setInterval(() => (most = Math.max(most, rssMegabytes(pid))), 200);
    const { stdout, stderr, status } = await cluster.proa(words.split(" "));
    clearInterval(look);
    if (status !== 0) problems.push(`${part}: bench ended with ${String(status)}: ${stderr}`);
    const now = await cluster.status(leader);
    if (now?.role !== "leader") problems.push(`${part}: node ${leader} leads no more`);
    const lag = now?.peers.find(({ id }) => id === slow)?.lag;
    const said = status === 0 ? (JSON.parse(stdout) as Readonly<Record<string, unknown>>) : {};
    console.log(
      JSON.stringify({
        part,
        leader_rss_mb_most: most,
        leader_rss_mb_end: rssMegabytes(pid),
        lag,
        ops: said["ops_per_s"],
      }),
    );
    return most;
  }
} finally {
  await world.stop();
}

function rssMegabytes(pid: number): number {
  return Math.round(residentBytes(pid) / 2 ** 20);
}
