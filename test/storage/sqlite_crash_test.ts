import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Persist } from "../../src/raft/mod.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { copyDirectory, flipBit, logIn, openStorage, walName } from "./sqlite_world.ts";
import { entriesOf, entryOf, group, threeVoters, Writer } from "./writes.ts";

/** One frame of the write-ahead log: its header and a page. */
const frameBytes = 24 + 16384;
const walHeaderBytes = 32;

/** The life that all tests cut off at some point; `stages[i]` is what the disk holds after i writes. */
const writes: readonly Partial<Persist>[] = [
  { hardState: { term: 1, vote: 2 }, entries: entriesOf({ from: 1, to: 10, term: 1 }) },
  { entries: [entryOf({ index: 11, term: 1, payload: new Uint8Array(200_000) })] },
  { hardState: { term: 2, vote: null }, truncateFrom: 5, entries: entriesOf({ from: 5, to: 7, term: 2 }) },
  { hardState: { term: 3, vote: 1 } },
  {
    hardState: { term: 4, vote: 1 },
    truncateFrom: 2,
    entries: [2, 3, 4].map((index) => entryOf({ index, term: 4, payload: new Uint8Array(50_000) })),
  },
];
const stages = ["t0", "t1 1×10", "t1 1×11", "t2 1×4 2×3", "t3 1×4 2×3", "t4 1×1 4×3"];

/** A copy of the directory after each write, and how long the write-ahead log was. */
interface Life {
  cut(stage: number): string;
  walBytes(stage: number): number;
  /** Another copy of stage `stage`, for damage. */
  copy(stage: number, name: string): string;
}

function live(root: string): Life {
  const directory = join(root, "live");
  const cut = (stage: number): string => join(root, `cut${stage}`);
  mkdirSync(directory);
  const storage = openStorage(directory);
  storage.load(group, threeVoters);
  const writer = new Writer(storage);
  for (let stage = 0; stage <= writes.length; stage++) {
    const write = writes[stage - 1];
    if (write !== undefined) writer.write(write);
    copyDirectory(directory, cut(stage));
  }
  storage.close();
  const walBytes = stages.map((_, stage) => statSync(join(cut(stage), walName)).size);
  return {
    cut,
    walBytes: (stage) => walBytes[stage] ?? 0,
    copy: (stage, name) => {
      copyDirectory(cut(stage), join(root, name));
      return join(root, name);
    },
  };
}

describe("SQLite storage: power cuts", () => {
  test("P3, P5: between two writes the files hold exactly those before", () =>
    inTempDirectory((root) => {
      const life = live(root);
      expect(stages.map((_, stage) => logIn(life.cut(stage)))).toEqual([...stages]);
    }));

  test("P3, P5, P11: a write that tore at any length leaves the old log or the new, never a mix", () =>
    inTempDirectory((root) => {
      const life = live(root);
      for (let stage = 1; stage < stages.length; stage++) {
        const [before, after] = [life.walBytes(stage - 1), life.walBytes(stage)];
        for (let bytes = before; bytes < after; bytes += 5 * 4096 + 17) {
          const torn = life.copy(stage, `torn${stage}-${bytes}`);
          truncateSync(join(torn, walName), bytes);
          expect(logIn(torn), `write ${stage} cut at ${bytes - before} bytes`).toBe(stages[stage - 1] ?? "");
        }
      }
    }));

  test("P11: a last write that reached the disk out of order is dropped as a whole", () =>
    inTempDirectory((root) => {
      const life = live(root);
      const stage = stages.length - 1;
      const [before, after] = [life.walBytes(stage - 1), life.walBytes(stage)];
      for (let start = before; start < after; start += frameBytes) {
        const torn = life.copy(stage, `hole${start}`);
        const wal = readFileSync(join(torn, walName));
        writeFileSync(join(torn, walName), wal.fill(0, start, start + frameBytes));
        expect(logIn(torn), `without the frame at ${start}`).toBe(stages[stage - 1] ?? "");
      }
    }));

  test("P11: damage before the last write is refused, naming the frame, instead of dropping what follows", () =>
    inTempDirectory((root) => {
      const life = live(root);
      const stage = stages.length - 1;
      for (const offset of [0, 13, 16383]) {
        for (let start = walHeaderBytes; start < life.walBytes(stage - 1); start += 3 * frameBytes) {
          const damaged = life.copy(stage, `bit${start + offset}`);
          flipBit(join(damaged, walName), start + 24 + offset);
          const frame = (start - walHeaderBytes) / frameBytes + 1;
          expect(() => openStorage(damaged)).toThrow(`frame ${frame} of raft.db-wal is damaged`);
        }
      }
      const salted = life.copy(stage, "salt"); // not covered by the checksum of the frame
      flipBit(join(salted, walName), walHeaderBytes + 8);
      expect(() => openStorage(salted)).toThrow("frame 1 of raft.db-wal is damaged");
      const damaged = life.copy(stage, "header");
      flipBit(join(damaged, walName), 20);
      expect(() => openStorage(damaged)).toThrow("frame 0 of raft.db-wal is damaged");
    }));

  test("P11: what is left in the log from before it was rewound is no damage", () =>
    inTempDirectory((root) => {
      const directory = join(root, "live");
      mkdirSync(directory);
      const storage = openStorage(directory);
      storage.load(group, threeVoters);
      const writer = new Writer(storage);
      const payload = new Uint8Array(400_000);
      for (let index = 1; index <= 14; index++) {
        const hardState = index === 1 ? { term: 1, vote: null } : null;
        writer.write({ hardState, entries: [entryOf({ index, term: 1, payload })] });
        copyDirectory(directory, join(root, `cut${index}`));
        expect(logIn(join(root, `cut${index}`))).toBe(`t1 1×${index}`);
      }
      // The same with a last write that is torn: what lies behind it is older, not later.
      const torn = join(root, "torn");
      copyDirectory(directory, torn);
      const wal = readFileSync(join(torn, walName));
      const salts = wal.readBigUInt64BE(16);
      let frames = 0;
      const start = (frame: number): number => walHeaderBytes + frame * frameBytes;
      while (start(frames + 1) <= wal.length && wal.readBigUInt64BE(start(frames) + 8) === salts) frames++;
      expect(start(frames + 1)).toBeLessThan(wal.length);
      writeFileSync(join(torn, walName), wal.fill(0, start(frames - 2), start(frames - 1)));
      expect(logIn(torn)).toBe("t1 1×13");
      storage.close();
    }));
});
