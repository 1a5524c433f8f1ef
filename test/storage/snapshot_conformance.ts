/** What every body of the snapshot port must do. */
import { describe, expect, test } from "bun:test";
import { CorruptError } from "../../src/lib/errors.ts";
import { newMembership } from "../../src/raft/mod.ts";
import type { SnapshotMeta, SnapshotStore } from "../../src/storage/mod.ts";
import { snapshotName } from "../../src/storage/mod.ts";

/** A disk with snapshots, and the store that is open on it. */
export interface SnapshotWorld {
  readonly store: SnapshotStore;
  /** Cuts the power: `store` is then a new one on what was durable. */
  restart(): void;
  fileBytes(name: string): number;
  /** Inverts a bit of the file. */
  damage(name: string, offset: number): void;
  dispose(): void;
}

export const chunkBytes = 256 * 1024;

export function metaAt(index: number, rest: Partial<SnapshotMeta> = {}): SnapshotMeta {
  return { group: 0, index, term: 2, membership: newMembership({ voters: [1, 2, 3], learners: [4] }), ...rest };
}

/** `length` bytes that are different wherever one looks. */
export function imageOf(length: number, seed = 1): Uint8Array {
  const image = new Uint8Array(length);
  for (let i = 0; i < length; i++) image[i] = Math.imul(i + seed, 0x9e3779b1) >>> 24;
  return image;
}

/** Writes and commits a snapshot in slices of `sliceBytes`. */
export function write(store: SnapshotStore, meta: SnapshotMeta, image: Uint8Array, sliceBytes = 100_000): string {
  const writer = store.create(meta);
  for (let start = 0; start < image.length; start += sliceBytes) {
    const slice = image.slice(start, start + sliceBytes);
    writer.append(slice);
    slice.fill(0xee); // the writer keeps nothing of it
  }
  expect(writer.bytes).toBe(image.length);
  writer.commit();
  return writer.name;
}

/** Reads a snapshot from `offset` to its end. */
export function read(store: SnapshotStore, name: string, { offset = 0, bytesMax = 100_000 } = {}): Uint8Array {
  const reader = store.open(name);
  try {
    const parts: Uint8Array[] = [];
    for (let at = offset; at < reader.bytes;) {
      const part = reader.read({ offset: at, bytesMax });
      if (part.length === 0 || part.length > bytesMax) throw new Error(`${part.length} bytes, not 1 to ${bytesMax}`);
      parts.push(part);
      at += part.length;
    }
    return new Uint8Array(Buffer.concat(parts));
  } finally {
    reader.close();
  }
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** The message of the CorruptError that `run` throws; "" if it throws nothing. */
export function damageIn(run: () => void): string {
  try {
    run();
    return "";
  } catch (error) {
    if (error instanceof CorruptError) return error.message;
    throw error;
  }
}

export function snapshotConformance(name: string, open: () => SnapshotWorld): void {
  const check = (rule: string, body: (world: SnapshotWorld) => void): void => {
    test(rule, () => {
      const world = open();
      try {
        body(world);
      } finally {
        world.dispose();
      }
    });
  };

  describe(`${name}: writing and reading`, () => {
    check("what was committed is read back, from any offset, in parts of any size, also after a restart", (world) => {
      for (const length of [0, 1, 1000, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3 * chunkBytes + 77]) {
        const meta = metaAt(10 + length);
        const image = imageOf(length);
        const file = write(world.store, meta, image);
        world.restart();
        const { store } = world;
        const reader = store.open(file);
        expect([reader.meta, reader.bytes]).toEqual([meta, length]);
        expect(reader.read({ offset: length, bytesMax: 10 }).length).toBe(0);
        reader.close();
        store.verify(file);
        for (const bytesMax of [3333, chunkBytes, 10_000_000])
          expect(same(read(store, file, { bytesMax }), image)).toBe(true);
        for (const offset of [0, length >> 1, Math.max(0, length - 1)])
          expect(same(read(store, file, { offset }), image.subarray(offset))).toBe(true);
      }
    });

    check("M12: the configuration is kept as it is, in the middle of a change, too", ({ store }) => {
      const server = { id: 7, replicate: "é:4001", service: "é:5001" };
      const membership = {
        ...newMembership({ voters: [7], servers: [server] }),
        outgoing: [8, 9],
        learnersNext: [9],
        retired: [1, 2],
      };
      const reader = store.open(write(store, metaAt(1, { membership }), imageOf(10)));
      expect(reader.meta.membership).toEqual(membership);
      reader.close();
    });

    check("a part that was read stays as it is when more is read", ({ store }) => {
      const image = imageOf(2 * chunkBytes);
      const reader = store.open(write(store, metaAt(1), image));
      const part = reader.read({ offset: 5, bytesMax: 100 });
      reader.read({ offset: chunkBytes, bytesMax: 100 });
      reader.close();
      expect(same(part, image.subarray(5, 105))).toBe(true);
    });

    check("a reader is asked for offsets inside the snapshot", ({ store }) => {
      const reader = store.open(write(store, metaAt(1), imageOf(10)));
      expect(() => reader.read({ offset: 11, bytesMax: 1 })).toThrow("inside it");
      reader.close();
    });
  });

  describe(`${name}: what exists`, () => {
    check("P10: a snapshot exists once it is committed, and never if it is not", (world) => {
      const writer = world.store.create(metaAt(5));
      writer.append(imageOf(2 * chunkBytes));
      expect(world.store.list()).toEqual([]);
      expect(damageIn(() => world.store.open(writer.name))).toContain("missing");
      writer.abort();
      expect(world.store.list()).toEqual([]);
      world.store.create(metaAt(6)).append(imageOf(10));
      world.restart();
      expect(world.store.list()).toEqual([]);
      const committed = write(world.store, metaAt(7), imageOf(10));
      world.restart();
      expect(world.store.list()).toEqual([committed]);
    });

    check("a writer ends once", ({ store }) => {
      const committed = store.create(metaAt(1));
      committed.commit();
      committed.abort();
      expect(store.list()).toEqual([committed.name]);
      expect(() => committed.commit()).toThrow("committed once");
      expect(() => committed.append(imageOf(1))).toThrow("is done");
      const aborted = store.create(metaAt(2));
      aborted.abort();
      aborted.abort();
      expect(() => aborted.commit()).toThrow("committed once");
      expect(store.list()).toEqual([committed.name]);
    });

    check("snapshots are listed by group, index and term, and named after them", ({ store }) => {
      const ids = [
        { group: 0, index: 9, term: 1 },
        { group: 0, index: 10, term: 1 },
        { group: 0, index: 10, term: 12 },
        { group: 2, index: 1, term: 1 },
        { group: 10, index: 1, term: 1 },
      ];
      for (const { group, index, term } of [...ids].reverse()) write(store, metaAt(index, { group, term }), imageOf(3));
      expect(store.list()).toEqual(ids.map(snapshotName));
      expect(snapshotName(metaAt(42))).toBe("0-42-2.snapshot");
    });

    check("snapshots are removed by name, or all but some, and nobody minds what is gone", (world) => {
      const names = [1, 2, 3, 4].map((index) => write(world.store, metaAt(index), imageOf(10)));
      world.store.remove(names[0] ?? "");
      world.store.remove(names[0] ?? "");
      expect(world.store.list()).toEqual(names.slice(1));
      world.store.removeAllBut([names[1] ?? "", names[3] ?? "", snapshotName(metaAt(99))]);
      expect(world.store.list()).toEqual([names[1] ?? "", names[3] ?? ""]);
      world.restart();
      world.store.removeAllBut([]);
      expect(world.store.list()).toEqual([]);
    });

    check("S4: what is read or written now goes on when snapshots are removed", ({ store }) => {
      const image = imageOf(3 * chunkBytes);
      const reader = store.open(write(store, metaAt(1), image));
      const writer = store.create(metaAt(2));
      writer.append(image);
      store.removeAllBut([]);
      expect(store.list()).toEqual([]);
      expect(
        same(reader.read({ offset: 2 * chunkBytes, bytesMax: 9 }), image.subarray(2 * chunkBytes).subarray(0, 9)),
      ).toBe(true);
      reader.close();
      writer.commit();
      expect(same(read(store, writer.name), image)).toBe(true);
    });

    check(
      "S4: one snapshot may be written twice at once: the last to commit wins, and readers keep theirs",
      ({ store }) => {
        const [first, second, third] = [1, 2, 3].map(() => store.create(metaAt(1)));
        first?.append(imageOf(1000, 1));
        second?.append(imageOf(2000, 2));
        third?.append(imageOf(3000, 3));
        second?.commit();
        const reader = store.open(snapshotName(metaAt(1)));
        third?.abort();
        first?.commit();
        expect(store.list().length).toBe(1);
        expect(same(read(store, snapshotName(metaAt(1))), imageOf(1000, 1))).toBe(true);
        expect(same(reader.read({ offset: 0, bytesMax: 9999 }), imageOf(2000, 2))).toBe(true);
        reader.close();
      },
    );
  });

  describe(`${name}: damage`, () => {
    check("P12: a damaged chunk is named, never read, and leaves the others readable", (world) => {
      const image = imageOf(3 * chunkBytes + 5);
      const file = write(world.store, metaAt(1), image);
      const endBytes = 20;
      world.damage(file, world.fileBytes(file) - endBytes - 5 - 8 - chunkBytes); // the first byte of chunk 3
      const message = `snapshot ${file}: chunk 3: checksum mismatch`;
      expect(damageIn(() => world.store.verify(file))).toBe(message);
      const reader = world.store.open(file);
      for (const offset of [2 * chunkBytes, 3 * chunkBytes - 1])
        expect(damageIn(() => void reader.read({ offset, bytesMax: 1 }))).toBe(message);
      expect(same(reader.read({ offset: 3 * chunkBytes, bytesMax: 9 }), image.subarray(3 * chunkBytes))).toBe(true);
      reader.close();
    });

    check("P12: a bit flipped anywhere is found, and the snapshot named", (world) => {
      const file = write(world.store, metaAt(1), imageOf(50));
      const size = world.fileBytes(file);
      const parts = new Set<string>();
      for (let offset = 0; offset < size; offset++) {
        world.damage(file, offset);
        const found = damageIn(() => world.store.verify(file));
        expect(found).toContain(`snapshot ${file}: `);
        parts.add(found.split(": ")[1] ?? "");
        world.damage(file, offset); // flips it back
      }
      expect([...parts]).toEqual(["header", "chunk 1", "end"]);
      world.store.verify(file);
    });
  });
}
