import { describe, expect, test } from "bun:test";
import { MemoryStorage } from "../../src/storage/mod.ts";
import { compactionConformance } from "./compaction_conformance.ts";
import { storageConformance, type World } from "./conformance.ts";
import { entriesOf, entryOf, group, readAll, threeVoters, Writer, writeOf } from "./writes.ts";

function memoryWorld(options: { readonly autoComplete: boolean }): World {
  let storage = new MemoryStorage(options);
  return {
    get storage() {
      return storage;
    },
    settle: () => storage.completeAll(),
    restart: () => (storage = storage.crash()),
    dispose: () => storage.close(),
  };
}

storageConformance("memory storage", () => memoryWorld({ autoComplete: false }));
storageConformance("memory storage that completes at once", () => memoryWorld({ autoComplete: true }));
compactionConformance("memory storage", () => memoryWorld({ autoComplete: false }));

describe("memory storage as a disk that can fail", () => {
  /** Three calls of `persist` that nobody completed. */
  function pendingWrites(): { readonly storage: MemoryStorage; readonly confirmed: number[] } {
    const storage = new MemoryStorage();
    const confirmed: number[] = [];
    storage.load(group, threeVoters);
    storage.onPersisted = (_, seq) => confirmed.push(seq);
    storage.persist([
      writeOf(1, { hardState: { term: 1, vote: 2 }, entries: entriesOf({ from: 1, to: 3, term: 1 }) }),
      writeOf(2, {}),
    ]);
    storage.persist([
      writeOf(3, {
        hardState: { term: 2, vote: null },
        truncateFrom: 2,
        entries: entriesOf({ from: 2, to: 2, term: 2 }),
      }),
    ]);
    storage.persist([writeOf(4, {})]);
    return { storage, confirmed };
  }

  test("nothing is confirmed, readable or kept before it completes", () => {
    const { storage, confirmed } = pendingWrites();
    expect([storage.pendingCount, confirmed]).toEqual([3, []]);
    expect(() => readAll(storage, 1)).toThrow("outside the durable log");
    const { lastIndex, hardState, boot } = storage.crash().load(group, threeVoters);
    expect([lastIndex, hardState, boot]).toEqual([0, { term: 0, vote: null }, 2]);
  });

  test("one call completes at a time, in order, and a barrier waits for those before it", () => {
    const { storage, confirmed } = pendingWrites();
    storage.completeOne();
    expect([storage.pendingCount, confirmed]).toEqual([2, [1, 2]]);
    expect(readAll(storage, 3)).toEqual(entriesOf({ from: 1, to: 3, term: 1 }));
    storage.completeOne();
    expect(confirmed).toEqual([1, 2, 3]);
    storage.completeAll();
    storage.completeOne();
    expect([storage.pendingCount, confirmed]).toEqual([0, [1, 2, 3, 4]]);
  });

  test("P3, P5: a power cut keeps a prefix of the calls, each as a whole", () => {
    const lives = [0, 1, 2, 3].map((unconfirmed) => {
      const { storage, confirmed } = pendingWrites();
      const restarted = storage.crash({ unconfirmed });
      const { lastIndex, hardState } = restarted.load(group, threeVoters);
      expect(confirmed).toEqual([]);
      return [hardState.term, ...readAll(restarted, lastIndex).map((entry) => entry.term)];
    });
    expect(lives).toEqual([[0], [1, 1, 1, 1], [2, 1, 2], [2, 1, 2]]);
  });

  test("after a power cut the old storage is dead", () => {
    const { storage } = pendingWrites();
    storage.crash();
    expect(() => storage.persist([])).toThrow("lost its power");
    expect(() => storage.completeOne()).toThrow("lost its power");
    expect(() => storage.crash()).toThrow("lost its power");
  });

  test("P12: a payload that somebody wrote to is refused, naming the entry", () => {
    const storage = new MemoryStorage({ autoComplete: true });
    storage.load(group, threeVoters);
    const payload = new Uint8Array([1, 2, 3]);
    const entries = [entryOf({ index: 1, term: 1 }), entryOf({ index: 2, term: 1, payload })];
    new Writer(storage).append({ term: 1, vote: null }, entries);
    payload[1] = 9;
    expect(() => readAll(storage, 2)).toThrow("entry 2 of group 0: checksum mismatch");
    expect(() => storage.crash().load(group, threeVoters)).toThrow("entry 2 of group 0: checksum mismatch");
  });

  test("P12: every bit that flips on the disk is noticed when it is read, and at the next start", () => {
    const payload = new Uint8Array([1, 2]);
    for (let bit = 0; bit < 8 * (4 + payload.length); bit++) {
      const storage = new MemoryStorage({ autoComplete: true });
      storage.load(group, threeVoters);
      new Writer(storage).append({ term: 1, vote: null }, [
        entryOf({ index: 1, term: 1 }),
        entryOf({ index: 2, term: 1, payload }),
      ]);
      storage.damage(group, { index: 2, bit });
      expect(readAll(storage, 1)).toHaveLength(1);
      expect(() => readAll(storage, 2)).toThrow("entry 2 of group 0: checksum mismatch");
      expect(() => storage.crash().load(group, threeVoters)).toThrow("entry 2 of group 0: checksum mismatch");
    }
  });
});
