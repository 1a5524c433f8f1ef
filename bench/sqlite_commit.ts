/**
 * What one durable write costs, through the storage port: `bun bench/sqlite_commit.ts [directory]`. The directory decides
 * which disk is measured; by default it is the one for temporary files.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { entryChecksum } from "../src/lib/checksum.ts";
import { newMembership, type Entry } from "../src/raft/mod.ts";
import { openBunSqlite } from "../src/runtime/bun_sqlite.ts";
import { openSqliteStorage, type SqliteStorage } from "../src/storage/sqlite.ts";

const cases = [
  { name: "1 KiB", payloadBytes: 1024, commits: 4000 },
  { name: "128 KiB", payloadBytes: 128 * 1024, commits: 1500 },
  { name: "512 KiB", payloadBytes: 512 * 1024, commits: 400 },
];

const membership = newMembership({ voters: [1, 2, 3] });

console.log("payload    commits/s     MB/s    p50 µs    p99 µs    max µs   mean µs   load ms");
for (const { name, payloadBytes, commits } of cases) {
  const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), "proa-bench-"));
  const storage = open(directory);
  storage.load(0, membership);
  const latencies = commitAll(storage, payloadBytes, commits);
  storage.close();
  const loadMs = timeLoad(directory);
  rmSync(directory, { recursive: true });

  const mean = latencies.reduce((sum, latency) => sum + latency, 0) / commits;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor((commits - 1) * share)] ?? 0;
  const cells = [1e6 / mean, payloadBytes / mean, at(0.5), at(0.99), at(1), mean, loadMs];
  console.log(name.padEnd(10), ...cells.map((cell) => cell.toFixed(0).padStart(9)));
}

/** Appends `commits` entries, one a write, and returns how long each write took: microseconds, checkpoints included. */
function commitAll(storage: SqliteStorage, payloadBytes: number, commits: number): number[] {
  const payload = new Uint8Array(payloadBytes).map((_, i) => i * 31);
  const latencies: number[] = [];
  for (let seq = 1; seq <= commits; seq++) {
    const entries = [entryOf(seq, payload)];
    const hardState = seq === 1 ? { term: 1, vote: 1 } : null;
    const start = performance.now();
    storage.persist([{ group: 0, seq, hardState, truncateFrom: null, compaction: null, entries, thenSend: [] }]);
    latencies.push((performance.now() - start) * 1000);
  }
  return latencies;
}

/** How long a start takes that verifies the whole log: milliseconds. */
function timeLoad(directory: string): number {
  const start = performance.now();
  const storage = open(directory);
  storage.load(0, membership);
  const elapsed = performance.now() - start;
  storage.close();
  return elapsed;
}

function open(directory: string): SqliteStorage {
  return openSqliteStorage({ runtime: { openSqlite: openBunSqlite }, directory });
}

function entryOf(index: number, payload: Uint8Array): Entry {
  const entry = { index, term: 1, kind: "commands", payload } as const;
  return { ...entry, checksum: entryChecksum(entry) };
}
