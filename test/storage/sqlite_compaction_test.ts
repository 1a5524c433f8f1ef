/** SQLite storage whose log loses its beginning: power cuts at every length of the write, and a file that does not grow for ever. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { EntryId, Persist } from "../../src/raft/mod.ts";
import { openSqlite } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { copyDirectory, databaseName, flipBit, openStorage, walName } from "./sqlite_world.ts";
import { entriesOf, entryOf, group, threeVoters, Writer } from "./writes.ts";

const walHeaderBytes = 32;
const frameBytes = 24 + 16384;

function compaction(compacted: EntryId, snapshot: EntryId = compacted): Persist["compaction"] {
  return { compacted, membership: threeVoters, snapshot };
}

/** A life with both kinds of compaction; `stages[i]` is what the disk holds after i writes. */
const writes: readonly Partial<Persist>[] = [
  { hardState: { term: 1, vote: 2 }, entries: entriesOf({ from: 1, to: 10, term: 1 }) },
  { entries: [entryOf({ index: 11, term: 1, payload: new Uint8Array(200_000) })] },
  { compaction: compaction({ index: 6, term: 1 }, { index: 9, term: 1 }) },
  { entries: entriesOf({ from: 12, to: 13, term: 1 }) },
  {
    hardState: { term: 4, vote: null },
    truncateFrom: 7,
    compaction: compaction({ index: 12, term: 3 }),
    entries: [13, 14].map((index) => entryOf({ index, term: 4, payload: new Uint8Array(50_000) })),
  },
  { compaction: compaction({ index: 14, term: 4 }) },
];
const stages = [
  "1.. snapshot 0",
  "1..10@1 snapshot 0",
  "1..11@1 snapshot 0",
  "7..11@1 snapshot 9",
  "7..13@1 snapshot 9",
  "13..14@4 snapshot 12",
  "15.. snapshot 14",
];

/** What a restart finds: the entries that are left, all of one term, and up to where the snapshot reaches. */
function foundIn(directory: string): string {
  const storage = openStorage(directory);
  try {
    const { compacted, snapshot, lastIndex } = storage.load(group, threeVoters);
    const from = compacted.index + 1;
    const left = lastIndex < from ? [] : storage.reader(group).entries({ from, to: lastIndex, bytesMax: Infinity });
    const terms = new Set(left.map((entry) => entry.term));
    return `${from}..${left.length === 0 ? "" : `${lastIndex}@${[...terms].join()}`} snapshot ${snapshot.index}`;
  } finally {
    storage.close();
  }
}

interface Life {
  cut(stage: number): string;
  walBytes(stage: number): number;
  copy(stage: number, name: string): string;
}

function live(root: string): Life {
  const directory = join(root, "live");
  const cut = (stage: number): string => join(root, `cut${stage}`);
  mkdirSync(directory);
  const storage = openStorage(directory);
  storage.load(group, threeVoters);
  const writer = new Writer(storage);
  copyDirectory(directory, cut(0));
  writes.forEach((write, position) => {
    writer.write(write);
    copyDirectory(directory, cut(position + 1));
  });
  storage.close();
  return {
    cut,
    walBytes: (stage) => statSync(join(cut(stage), walName)).size,
    copy: (stage, name) => {
      copyDirectory(cut(stage), join(root, name));
      return join(root, name);
    },
  };
}

describe("SQLite storage: compaction", () => {
  test("S3: a write that tore at any length leaves the old log and snapshot or the new, never a mix", () =>
    inTempDirectory((root) => {
      const life = live(root);
      expect(stages.map((_, stage) => foundIn(life.copy(stage, `whole${stage}`)))).toEqual([...stages]);
      for (let stage = 3; stage < stages.length; stage++) {
        const [before, after] = [life.walBytes(stage - 1), life.walBytes(stage)];
        for (let bytes = before; bytes < after; bytes += 7 * 4096 + 17) {
          const torn = life.copy(stage, `torn${stage}-${bytes}`);
          truncateSync(join(torn, walName), bytes);
          expect(foundIn(torn), `write ${stage} cut at ${bytes - before} bytes`).toBe(stages[stage - 1] ?? "");
        }
      }
    }));

  test("P11: damage before the last write is refused, also where the log was compacted since", () =>
    inTempDirectory((root) => {
      const life = live(root);
      const stage = stages.length - 1;
      for (let start = walHeaderBytes; start < life.walBytes(stage - 1); start += 5 * frameBytes) {
        const damaged = life.copy(stage, `bit${start}`);
        flipBit(join(damaged, walName), start + 24 + 13);
        const frame = (start - walHeaderBytes) / frameBytes + 1;
        expect(() => openStorage(damaged)).toThrow(`frame ${frame} of raft.db-wal is damaged`);
      }
    }));

  test("under endless writes the files stay as big as the longest log, and what is compacted is deleted", () =>
    inTempDirectory((directory) => {
      const storage = openStorage(directory);
      storage.load(group, threeVoters);
      const writer = new Writer(storage);
      writer.write({ hardState: { term: 1, vote: null } });
      const payload = new Uint8Array(5000);
      const [perWrite, threshold, trailing] = [20, 400, 40];
      const sizes: number[] = [];
      let compacted = 0;
      for (let last = 0; last < 5000; last += perWrite) {
        const entries = Array.from({ length: perWrite }, (_, i) => entryOf({ index: last + 1 + i, term: 1, payload }));
        const isDue = last - compacted >= threshold + trailing;
        if (isDue) compacted = last - trailing;
        const snapshot = { index: last, term: 1 };
        writer.write({ entries, compaction: isDue ? compaction({ index: compacted, term: 1 }, snapshot) : null });
        if (isDue) sizes.push(statSync(join(directory, databaseName)).size);
      }
      const longest = (threshold + trailing + 2 * perWrite) * (payload.length + 500);
      for (const size of sizes) expect(size).toBeLessThan(longest * 1.15);
      expect(sizes.at(-1)).toBeLessThanOrEqual(Math.max(...sizes.slice(0, 5)));
      expect(statSync(join(directory, walName)).size).toBeLessThan(6 * 1024 * 1024);
      storage.close();
      const database = openSqlite(join(directory, databaseName));
      const rows = Number(database.prepare("SELECT count(*) AS count FROM entries").get()?.["count"]);
      database.close();
      expect(rows).toBeLessThanOrEqual(threshold + trailing + 2 * perWrite);
    }));
});
