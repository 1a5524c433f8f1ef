/**
 * Measures what snapshots cost those who write, and the disk, on three real processes:
 *
 *     bun bench/snapshots.ts [writes] [callers] [snapshot entries]
 *
 * A follower is stopped for so many writes (100000), which so many callers (32) make without a pause, over 100000 keys in random
 * order; then it is started and catches up by a snapshot while the writes go on. Says how long a put took while a node was
 * taking a snapshot, while one was sent, and otherwise; and how big the files of a node became.
 */
import { readdirSync, statSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { connect } from "../src/mod.ts";
import { RealCluster } from "../test/e2e/cluster.ts";

const [writes = 100_000, callers = 32, snapshotEntries = 10_000] = process.argv.slice(2).map(Number);
const keys = 100_000;
const value = new Uint8Array(256).map((_, i) => i * 31);

interface Put {
  readonly endedAt: number;
  readonly ms: number;
}

/** A time in which something went on, in milliseconds since the epoch. */
interface Window {
  readonly from: number;
  readonly to: number;
}

const puts: Put[] = [];
const greatest = new Map<string, number>();
let running = true;
let failures = 0;

const cluster = await RealCluster.start(3, ["--snapshot-entries", `${snapshotEntries}`, "--snapshot-size", "16MiB"]);
try {
  const leader = await cluster.leader();
  const away = cluster.ids.find((id) => id !== leader) ?? 0;
  await cluster.caughtUp();
  const lastIndex = (await cluster.status(away))?.applied_index ?? 0;
  await cluster.kill(away);
  const load = write();
  const watch = setInterval(() => measureFiles(leader), 50);
  // However few entries the writes became: without a snapshot the follower would catch up from the log.
  const isCompacted = async (): Promise<boolean> =>
    ((await cluster.status(await cluster.leader()))?.first_index ?? 0) > lastIndex + 1;
  await waitFor(async () => puts.length >= writes && (await isCompacted()));
  const startedAt = Date.now();
  cluster.start(away);
  await waitFor(() => cluster.log(away).includes("snapshot installed"));
  const installedAt = Date.now();
  const lag = async (): Promise<number> => {
    const status = await cluster.status(await cluster.leader());
    return status?.peers.find(({ id }) => id === away)?.lag ?? Infinity;
  };
  await waitFor(async () => (await lag()) < 1000);
  const caughtUpAt = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 3000));
  running = false;
  await load;
  clearInterval(watch);
  await cluster.caughtUp();
  report({ sending: { from: startedAt, to: installedAt }, taking: cluster.ids.flatMap(takingOf), caughtUpAt, leader });
} finally {
  running = false;
  await cluster.stop();
}

async function write(): Promise<void> {
  using client = connect({ endpoints: cluster.endpoints.split(",") });
  const caller = async (): Promise<void> => {
    while (running) {
      const begunAt = performance.now();
      const done = client.put(`key-${Math.floor(Math.random() * keys)}`, value);
      // On a machine that is busy enough there are elections: they are counted, and no put.
      const succeeded = await done.then(
        () => true,
        () => false,
      );
      if (succeeded) puts.push({ endedAt: Date.now(), ms: performance.now() - begunAt });
      else failures++;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

/** As patient as the measurement is long. */
async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** When a node was taking snapshots, as its log tells. */
function takingOf(id: number): readonly Window[] {
  const windows: Window[] = [];
  let from: number | null = null;
  for (const line of cluster.log(id).split("\n")) {
    const at = Date.parse(line.slice(0, 24));
    if (line.includes("snapshot begins")) from = at;
    else if (line.includes("snapshot taken") && from !== null) windows.push({ from, to: at });
  }
  return windows;
}

function measureFiles(id: number): void {
  const snapshots = join(cluster.data(id), "snapshots");
  const sizes = {
    "raft.db": sizeOf(join(cluster.data(id), "raft.db")),
    "raft.db-wal": sizeOf(join(cluster.data(id), "raft.db-wal")),
    snapshots: namesIn(snapshots).reduce((sum, name) => sum + sizeOf(join(snapshots, name)), 0),
  };
  for (const [name, size] of Object.entries(sizes)) greatest.set(name, Math.max(greatest.get(name) ?? 0, size));
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // not there yet
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function report(run: {
  readonly sending: Window;
  readonly taking: readonly Window[];
  readonly caughtUpAt: number;
  readonly leader: number;
}): void {
  const { sending, taking, caughtUpAt } = run;
  // A put that was under way while a window was open is one of that window.
  const during = (windows: readonly Window[]) => (put: Put) =>
    windows.some(({ from, to }) => put.endedAt >= from && put.endedAt - put.ms <= to);
  const inTaking = during(taking);
  const inSending = during([{ from: sending.from, to: caughtUpAt }]);
  const usual = puts.filter((put) => !inTaking(put) && !inSending(put));
  const groups = { usual, taking: puts.filter(inTaking), sending: puts.filter(inSending) };
  const usualP99 = percentile(usual, 0.99);
  console.log(
    `${puts.length} puts by ${callers} callers, ${failures} failed, ${taking.length} snapshots taken, load ${loadavg()[0]?.toFixed(1)}`,
  );
  for (const [name, group] of Object.entries(groups)) {
    const [p50, p99] = [percentile(group, 0.5), percentile(group, 0.99)];
    const ratio = (p99 / usualP99).toFixed(2);
    console.log(
      `${name.padEnd(8)} ${group.length} puts  p50 ${p50.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms  ${ratio} of the usual p99`,
    );
  }
  const toInstall = sending.to - sending.from;
  console.log(
    `follower: snapshot installed ${toInstall} ms after its start, within 1000 entries after ${caughtUpAt - sending.from} ms`,
  );
  for (const [name, size] of greatest) console.log(`${name.padEnd(12)} at most ${(size / 2 ** 20).toFixed(1)} MiB`);
}

function percentile(group: readonly Put[], share: number): number {
  const sorted = group.map(({ ms }) => ms).sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? NaN;
}
