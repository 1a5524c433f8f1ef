/** Snapshots in files and in memory; for files, what a crash at any moment leaves, and what only a disk can do. */
import { describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProaError } from "../../src/lib/errors.ts";
import { MemorySnapshots, openSnapshotFiles, type SnapshotStore } from "../../src/storage/mod.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import {
  chunkBytes,
  damageIn,
  imageOf,
  metaAt,
  read,
  same,
  snapshotConformance,
  type SnapshotWorld,
  write,
} from "./snapshot_conformance.ts";

function memoryWorld(): SnapshotWorld {
  let store = new MemorySnapshots();
  return {
    get store() {
      return store;
    },
    restart: () => (store = store.crash()),
    fileBytes: (name) => store.fileBytes(name),
    damage: (name, offset) => store.damage(name, offset),
    dispose: () => undefined,
  };
}

function fileWorld(): SnapshotWorld {
  const parent = mkdtempSync(join(tmpdir(), "proa-test-"));
  const directory = join(parent, "data", "snapshots");
  let store = openSnapshotFiles(directory);
  return {
    get store() {
      return store;
    },
    restart: () => (store = openSnapshotFiles(directory)),
    fileBytes: (name) => readFileSync(join(directory, name)).length,
    damage(name, offset) {
      const bytes = readFileSync(join(directory, name));
      bytes[offset] = (bytes[offset] ?? 0) ^ 1;
      writeFileSync(join(directory, name), bytes);
    },
    dispose: () => rmSync(parent, { recursive: true, force: true }),
  };
}

snapshotConformance("snapshots in memory", memoryWorld);
snapshotConformance("snapshots in files", fileWorld);

describe("snapshots in memory as a disk that can fail", () => {
  test("after a power cut the old store and its writers are dead", () => {
    const store = new MemorySnapshots();
    const writer = store.create(metaAt(1));
    const restarted = store.crash();
    expect(() => store.list()).toThrow("lost their power");
    expect(() => writer.commit()).toThrow("lost their power");
    expect(restarted.list()).toEqual([]);
  });
});

describe("snapshot files", () => {
  test("the same image makes the same file, however it arrives", () =>
    inTempDirectory((directory) => {
      const store = openSnapshotFiles(directory);
      const image = imageOf(2 * chunkBytes + 1000);
      const files = [977, chunkBytes, 10_000_000].map((sliceBytes) =>
        readFileSync(join(directory, write(store, metaAt(1), image, sliceBytes))),
      );
      expect(files.every((file) => same(file, files[0] ?? file))).toBe(true);
      expect(readdirSync(directory)).toEqual(["0-1-2.snapshot"]);
    }));

  test("P12: truncation, bytes behind the end, chunks exchanged and files renamed are damage", () =>
    inTempDirectory((directory) => {
      const store = openSnapshotFiles(directory);
      const name = write(store, metaAt(1), imageOf(2 * chunkBytes + 7));
      const path = join(directory, name);
      const whole = readFileSync(path);
      const damageOf = (bytes: Uint8Array): string => {
        writeFileSync(path, bytes);
        return damageIn(() => store.verify(name));
      };
      for (const length of [0, 15, 16, 80, 150, chunkBytes, whole.length - 20, whole.length - 1])
        expect(damageOf(whole.subarray(0, length))).toContain(`snapshot ${name}: `);
      expect(damageOf(new Uint8Array([...whole, 0]))).toContain(`snapshot ${name}: end: `);
      const stored = chunkBytes + 8;
      const start = whole.length - 20 - (7 + 8) - 2 * stored;
      const exchanged = Buffer.concat([
        whole.subarray(0, start),
        whole.subarray(start + stored, start + 2 * stored),
        whole.subarray(start, start + stored),
        whole.subarray(start + 2 * stored),
      ]);
      expect(damageOf(exchanged)).toBe(`snapshot ${name}: chunk 1: checksum mismatch`);
      const shorter = Buffer.concat([whole.subarray(0, start), whole.subarray(start + stored)]);
      expect(damageOf(shorter)).toBe(`snapshot ${name}: end: bytes are missing or too many`);
      store.remove(name);
      write(store, metaAt(1), imageOf(2 * chunkBytes + 7, 9));
      const other = readFileSync(path);
      const mixed = Buffer.concat([
        whole.subarray(0, start),
        other.subarray(start, start + stored),
        whole.subarray(start + stored),
      ]);
      expect(damageOf(mixed)).toContain(`snapshot ${name}: end: its chunks are not those`);
      expect(damageOf(whole)).toBe("");
      renameSync(path, join(directory, "0-2-2.snapshot"));
      expect(damageIn(() => store.verify("0-2-2.snapshot"))).toBe(
        `snapshot 0-2-2.snapshot: header: it is that of ${name}`,
      );
    }));

  test("a writer that gives up leaves nothing behind", () =>
    inTempDirectory((directory) => {
      const writer = openSnapshotFiles(directory).create(metaAt(1));
      writer.append(imageOf(2 * chunkBytes));
      expect(readdirSync(directory).length).toBe(1);
      writer.abort();
      expect(readdirSync(directory)).toEqual([]);
    }));

  test("files of others are left alone", () =>
    inTempDirectory((directory) => {
      const store = openSnapshotFiles(directory);
      const others = ["notes.txt", "1-2.snapshot", "01-2-3.snapshot", "notes.1.tmp"];
      for (const name of others) writeFileSync(join(directory, name), "x");
      expect(store.list()).toEqual([]);
      store.removeAllBut([]);
      expect(readdirSync(directory).sort()).toEqual([...others].sort());
    }));

  test("a disk that is full, and a directory that is none, are errors for the operator", () =>
    inTempDirectory((directory) => {
      writeFileSync(join(directory, "file"), "");
      expect(codeOf(() => openSnapshotFiles(join(directory, "file", "snapshots")))).toBe("LOCAL_RESOURCE");
      if (!existsSync("/dev/full")) return; // only Linux has a disk that is always full
      const store = openSnapshotFiles(directory);
      symlinkSync("/dev/full", join(directory, "0-1-2.snapshot.1.tmp"));
      expect(codeOf(() => store.create(metaAt(1)))).toBe("DISK_FAILED");
      expect(store.list()).toEqual([]);
    }));
});

function codeOf(run: () => void): string {
  try {
    run();
    return "no error";
  } catch (error) {
    if (error instanceof ProaError) return error.code;
    throw error;
  }
}

describe("P10: a crash of the writer", () => {
  const oldImage = imageOf(chunkBytes + 10, 1);
  const newImage = imageOf(3 * chunkBytes + 10, 2);

  /** Opens a copy of what is on the disk as a new process would: each snapshot that exists must be whole. */
  function existing(directory: string, copy: string): readonly string[] {
    rmSync(copy, { recursive: true, force: true });
    cpSync(directory, copy, { recursive: true });
    const store = openSnapshotFiles(copy);
    const names = store.list();
    for (const name of names) {
      store.verify(name);
      expect(same(read(store, name), name === "0-1-2.snapshot" ? oldImage : newImage)).toBe(true);
    }
    store.removeAllBut(names);
    expect(readdirSync(copy).sort()).toEqual([...names].sort()); // nothing is left over
    return names;
  }

  /** Replaces the old snapshot by the new one, the way a node does, and calls `look` after each step. */
  function replace(store: SnapshotStore, look: () => void): void {
    const oldName = write(store, metaAt(1), oldImage);
    look();
    const writer = store.create(metaAt(2));
    look();
    for (let start = 0; start < newImage.length; start += 100_000) {
      writer.append(newImage.subarray(start, start + 100_000));
      look();
    }
    writer.commit();
    look();
    store.removeAllBut([writer.name]);
    look();
    expect(store.list()).not.toContain(oldName);
  }

  test("between two calls leaves the old snapshot, then both, then the new one", () =>
    inTempDirectory((parent) => {
      const directory = join(parent, "snapshots");
      const seen: string[] = [];
      replace(openSnapshotFiles(directory), () => seen.push(existing(directory, join(parent, "copy")).join(" ")));
      const [before, during, after] = ["0-1-2.snapshot", "0-1-2.snapshot 0-2-2.snapshot", "0-2-2.snapshot"];
      expect(seen).toEqual([...seen.slice(0, -2).map(() => before), during, after]);
      expect(seen.length).toBeGreaterThan(8);
    }));

  test("inside a write or a commit leaves no snapshot that is torn", () =>
    inTempDirectory((parent) => {
      const directory = join(parent, "snapshots");
      const copy = join(parent, "copy");
      const store = openSnapshotFiles(directory);
      write(store, metaAt(1), oldImage);
      const whole = readFileSync(join(directory, write(store, metaAt(2), newImage)));
      store.remove("0-2-2.snapshot");
      const temporary = join(directory, "0-2-2.snapshot.7.tmp");
      for (const length of [0, 1, 100, chunkBytes, 2 * chunkBytes + 5, whole.length - 1, whole.length]) {
        writeFileSync(temporary, whole.subarray(0, length));
        expect(existing(directory, copy)).toEqual(["0-1-2.snapshot"]);
      }
      renameSync(temporary, join(directory, "0-2-2.snapshot"));
      expect(existing(directory, copy)).toEqual(["0-1-2.snapshot", "0-2-2.snapshot"]);
    }));

  test("leaves an unfinished file under which the next life writes again", () =>
    inTempDirectory((parent) => {
      const directory = join(parent, "snapshots");
      openSnapshotFiles(directory).create(metaAt(2)).append(newImage);
      expect(readdirSync(directory).length).toBe(1);
      const name = write(openSnapshotFiles(directory), metaAt(2), oldImage);
      expect(readdirSync(directory)).toEqual([name]);
    }));
});
