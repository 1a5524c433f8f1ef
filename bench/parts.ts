/**
 * What the hot parts cost, each alone and in a few seconds together, so that a regression is seen at once: `bun bench/parts.ts`.
 * Prints processor time, which says something on a busy machine too, and judges nothing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ByteWriter } from "../src/lib/byte_writer.ts";
import { entryChecksum } from "../src/lib/checksum.ts";
import { Store } from "../src/kv/mod.ts";
import { Batcher } from "../src/node/batcher.ts";
import { newMembership } from "../src/raft/mod.ts";
import { openBunSqlite } from "../src/runtime/bun_sqlite.ts";
import { openSqliteStorage } from "../src/storage/sqlite.ts";
import { defaultCommandLimits, payloadVersion, validateCommands, writePut } from "../src/wire/mod.ts";

const valueBytes = 256;
const commandsPerBatch = 500;

/** Commands behind a header, as a client's frame brings them. */
function commandsOf(firstKey: number): Uint8Array {
  const writer = new ByteWriter(256 * 1024);
  writer.u8(payloadVersion);
  const value = new Uint8Array(valueBytes).fill(firstKey);
  for (let i = 0; i < commandsPerBatch; i++) {
    const key = new TextEncoder().encode(`bench/${String((firstKey + i * 7) % 10_000).padStart(10, "0")}`);
    writePut(writer, { key, value, ifRevision: null });
  }
  return writer.take();
}

/** Processor time of each of `count` times, half of which warm up before. */
function measure(name: string, unit: string, count: number, work: (round: number) => void): void {
  for (let round = 0; round < count / 2; round++) work(round);
  const before = process.cpuUsage();
  const startedAt = performance.now();
  for (let round = 0; round < count; round++) work(round);
  const { user, system } = process.cpuUsage(before);
  const wall = ((performance.now() - startedAt) * 1000) / count;
  console.log(
    `${name.padEnd(44)} ${((user + system) / count).toFixed(3).padStart(10)} µs each ${unit} (wall ${wall.toFixed(3)})`,
  );
}

const payloads = Array.from({ length: 20 }, (_, i) => commandsOf(i * 500));
const at = (round: number): Uint8Array => payloads[round % payloads.length] ?? new Uint8Array(1);
const part = { count: commandsPerBatch, done: (): void => undefined };

measure(`validate ${commandsPerBatch} puts`, "batch", 1000, (round) => {
  const check = validateCommands(at(round).subarray(1), defaultCommandLimits);
  if (!check.ok) throw new Error(check.message);
});

for (const owned of [true, false]) {
  const batcher = new Batcher(512 * 1024);
  measure(`batcher: ${commandsPerBatch} puts, ${owned ? "taken over" : "copied"}`, "batch", 2000, (round) => {
    batcher.add({ commands: at(round).subarray(1), count: commandsPerBatch, owned }, part);
    while (batcher.peek() !== undefined) batcher.drop();
  });
}

/** As long as the history that a store keeps by default. */
const batchesPerStore = 100_000 / commandsPerBatch;
let store = new Store();
const results = new ByteWriter(64 * 1024);
measure(`store: apply ${commandsPerBatch} puts`, "batch", 800, (round) => {
  if (round % batchesPerStore === 0) store = new Store();
  const entry = { index: store.appliedIndex + 1, term: 1, kind: "commands", payload: at(round) } as const;
  results.reset();
  store.apply({ ...entry, checksum: 0 }, results);
});

const directory = mkdtempSync(join(tmpdir(), "proa-bench-"));
const storage = openSqliteStorage({ runtime: { openSqlite: openBunSqlite }, directory });
storage.load(0, newMembership({ voters: [1] }));
let seq = 0;
for (const [name, payload] of [
  ["1 KiB", new Uint8Array(1024)],
  ["128 KiB", new Uint8Array(128 * 1024)],
] as const) {
  measure(`SQLite: commit ${name}, synced`, "commit", 200, () => {
    const entry = { index: ++seq, term: 1, kind: "commands", payload } as const;
    const hardState = seq === 1 ? { term: 1, vote: 1 } : null;
    const entries = [{ ...entry, checksum: entryChecksum(entry) }];
    storage.persist([{ group: 0, seq, hardState, truncateFrom: null, compaction: null, entries, thenSend: [] }]);
  });
}
storage.close();
rmSync(directory, { recursive: true });
