/** Saved snapshots: what was put in comes out, no damage passes, and a directory that is made of one is whole or not there. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CorruptError, ProaError } from "../../src/lib/errors.ts";
import { newMembership } from "../../src/raft/mod.ts";
import {
  createRestoredDirectory,
  DigestCheck,
  openDataDirectory,
  openFileBytes,
  SavedSnapshot,
  SavedSnapshotEncoder,
} from "../../src/storage/mod.ts";
import { openSqlite } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { testIdentity } from "./identities.ts";
import { chunkBytes, imageOf, metaAt, same } from "./snapshot_conformance.ts";

const facts = {
  clusterId: "0".repeat(32),
  cluster: "old",
  nodeId: 2,
  revision: 41,
  keys: 7,
  savedAt: "2026-01-02T03:04:05.678Z",
  version: "0.1.0",
};

/** The bytes of a file that holds `image`, which arrives in slices. */
function saved(image: Uint8Array, sliceBytes = 100_000): Uint8Array {
  const parts: Uint8Array[] = [];
  const encoder = new SavedSnapshotEncoder(facts, metaAt(17), (bytes) => parts.push(bytes.slice()));
  for (let start = 0; start < image.length; start += sliceBytes)
    encoder.append(image.subarray(start, start + sliceBytes));
  encoder.finish();
  return new Uint8Array(Buffer.concat(parts));
}

/** What is wrong with the file; "" if nothing. */
function damageOf(path: string): string {
  try {
    const snapshot = new SavedSnapshot(openFileBytes(path));
    try {
      snapshot.verify();
    } finally {
      snapshot.close();
    }
    return "";
  } catch (error) {
    if (error instanceof CorruptError) return error.message;
    throw error;
  }
}

describe("a saved snapshot", () => {
  for (const length of [0, 1, 1000, chunkBytes, 2 * chunkBytes + 1]) {
    test(`of ${length} bytes comes back as it was, and is the same however it arrived`, () =>
      inTempDirectory((directory) => {
        const path = join(directory, "file");
        const image = imageOf(length);
        const bytes = saved(image);
        expect(same(bytes, saved(image, 77_777))).toBe(true);
        writeFileSync(path, bytes);
        const snapshot = new SavedSnapshot(openFileBytes(path));
        expect(snapshot.facts).toEqual({ ...facts, group: 0, index: 17, term: 2 });
        expect(snapshot.meta).toEqual(metaAt(17));
        expect(snapshot.bytes).toBe(length);
        expect(snapshot.verify()).toMatch(/^[0-9a-f]{64}$/);
        const parts: Uint8Array[] = [];
        snapshot.readAll((piece) => void parts.push(piece.slice()));
        expect(same(new Uint8Array(Buffer.concat(parts)), image)).toBe(true);
        snapshot.close();
      }));
  }

  test("with any byte changed, or cut anywhere, or longer, is refused", () =>
    inTempDirectory((directory) => {
      const path = join(directory, "file");
      const whole = saved(imageOf(200));
      for (let at = 0; at < whole.length; at++) {
        const damaged = whole.slice();
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
        writeFileSync(path, damaged);
        expect([at, damageOf(path) === ""]).toEqual([at, false]);
        writeFileSync(path, whole.subarray(0, at));
        expect([at, damageOf(path) === ""]).toEqual([at, false]);
      }
      writeFileSync(path, Buffer.concat([whole, Buffer.of(0)]));
      expect(damageOf(path) === "").toBe(false);
      writeFileSync(path, whole);
      expect(damageOf(path)).toBe("");
      writeFileSync(path, "hello, this is no snapshot at all, only text");
      expect(damageOf(path)).toBe("it is no saved snapshot");
    }));

  test("whose parts come from two files of the same place is refused", () =>
    inTempDirectory((directory) => {
      const path = join(directory, "file");
      const [one, other] = [saved(imageOf(200, 1)), saved(imageOf(200, 2))];
      writeFileSync(path, Buffer.concat([one.subarray(0, -32), other.subarray(-32)]));
      expect(damageOf(path)).toBe("the file does not match its digest");
    }));

  test("is whole for who receives it only with all its bytes, however they arrive", () => {
    const bytes = saved(imageOf(5000));
    const isWhole = (received: Uint8Array, step: number): boolean => {
      const check = new DigestCheck();
      for (let start = 0; start < received.length; start += step) check.update(received.subarray(start, start + step));
      return check.isWhole();
    };
    for (const step of [1, 31, 32, 33, 1000, bytes.length]) {
      expect(isWhole(bytes, step)).toBe(true);
      expect(isWhole(bytes.subarray(0, -1), step)).toBe(false);
    }
    expect(isWhole(new Uint8Array(0), 1)).toBe(false);
    bytes[4000] = (bytes[4000] ?? 0) ^ 1;
    expect(isWhole(bytes, 100)).toBe(false);
  });
});

describe("a restored directory", () => {
  const runtime = { openSqlite };
  const membership = newMembership({ voters: [1, 2] });
  const image = imageOf(chunkBytes + 5);
  const restoring = {
    owner: testIdentity,
    group: 0,
    index: 17,
    term: 2,
    membership,
    copyImage: (append: (slice: Uint8Array) => void) => {
      append(image.subarray(0, 1000));
      append(image.subarray(1000));
    },
  };

  test("is that of a node whose log begins with the snapshot", () =>
    inTempDirectory((root) => {
      const directory = join(root, "a", "b");
      createRestoredDirectory({ runtime, directory }, restoring);
      expect(readdirSync(directory).sort()).toEqual(["identity.json", "lock", "raft.db", "snapshots"]);
      const { identity, storage, snapshots } = openDataDirectory({ runtime, directory, expected: testIdentity });
      const { directoryNumber } = identity;
      expect(identity).toEqual({ ...testIdentity, directoryNumber });
      const place = { index: 17, term: 2 };
      expect(storage.load(0, newMembership({ voters: [9] }))).toEqual({
        hardState: { term: 2, vote: null },
        membership,
        memberships: [],
        boot: 2,
        compacted: place,
        snapshot: place,
        termRuns: [],
        lastIndex: 17,
      });
      snapshots.verify("0-17-2.snapshot");
      const reader = snapshots.open("0-17-2.snapshot");
      expect(reader.bytes).toBe(image.length);
      expect(reader.meta).toEqual({ group: 0, ...place, membership });
      reader.close();
      storage.close();
    }));

  test("is made only where nothing is", () =>
    inTempDirectory((directory) => {
      writeFileSync(join(directory, "mine"), "text");
      let refusal: unknown = null;
      try {
        createRestoredDirectory({ runtime, directory }, restoring);
      } catch (error) {
        refusal = error;
      }
      expect(refusal instanceof ProaError && refusal.code).toBe("DATA_FOREIGN");
      expect(readdirSync(directory)).toEqual(["mine"]);
    }));

  test("that fails half way leaves everything as it was", () =>
    inTempDirectory((root) => {
      const failing = {
        ...restoring,
        copyImage: (append: (slice: Uint8Array) => void) => {
          append(image);
          throw new CorruptError("it is damaged");
        },
      };
      const missing = join(root, "missing");
      expect(() => createRestoredDirectory({ runtime, directory: missing }, failing)).toThrow("it is damaged");
      expect(existsSync(missing)).toBe(false);
      const empty = join(root, "empty");
      mkdirSync(empty);
      expect(() => createRestoredDirectory({ runtime, directory: empty }, failing)).toThrow("it is damaged");
      expect(readdirSync(empty)).toEqual([]);
    }));

  test("that a power cut left without its last file is no node's", () =>
    inTempDirectory((directory) => {
      createRestoredDirectory({ runtime, directory }, restoring);
      rmSync(join(directory, "identity.json"));
      let refusal: unknown = null;
      try {
        openDataDirectory({ runtime, directory, expected: testIdentity }).storage.close();
      } catch (error) {
        refusal = error;
      }
      expect(refusal instanceof ProaError && refusal.code).toBe("DATA_FOREIGN");
      expect(readFileSync(join(directory, "raft.db")).length > 0).toBe(true);
    }));
});
