/** Storage on a thread of its own: what the port asks of every storage, and what only a thread can do wrong. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import type { GroupId, LogReader, Membership, Persist, Restored } from "../../src/raft/mod.ts";
import { ProaError } from "../../src/lib/errors.ts";
import type { Storage } from "../../src/storage/mod.ts";
import { StorageThread } from "../../src/storage/thread/storage_thread.ts";
import { startStorageThread } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { compactionConformance } from "./compaction_conformance.ts";
import { storageConformance, type World } from "./conformance.ts";
import { testIdentity } from "./identities.ts";
import { worldOf } from "./sqlite_world.ts";
import { entriesOf, group, readAll, threeVoters, Writer, writeOf } from "./writes.ts";

const start = startStorageThread;

/** Confirms before it returns, so that the conformance suite, which has no turns, sees what becomes of each write. */
class Flushed implements Storage {
  readonly thread: StorageThread;

  constructor(directory: string) {
    this.thread = openThread(directory);
  }

  set onPersisted(listener: (group: GroupId, seq: number) => void) {
    this.thread.onPersisted = listener;
  }

  load(id: GroupId, bootstrap: Membership): Restored {
    return this.thread.load(id, bootstrap);
  }

  reader(id: GroupId): LogReader {
    return this.thread.reader(id);
  }

  persist(writes: readonly Persist[]): void {
    this.thread.persist(writes);
    this.thread.flush();
  }

  close(): void {
    this.thread.close();
  }
}

function openThread(directory: string): StorageThread {
  if (start === null) throw new Error("this runtime has no thread for the disk");
  const thread = new StorageThread(start);
  try {
    thread.open(directory, testIdentity);
    return thread;
  } catch (error) {
    thread.close();
    throw error;
  }
}

const threadWorld = (): World =>
  worldOf(
    (directory) => new Flushed(directory),
    (from, to) => {
      cpSync(from, to, { recursive: true });
    },
  );

if (start === null) test.skip("the thread of the disk (left out: this runtime has none)", () => undefined);
else {
  storageConformance("storage on a thread", threadWorld);
  compactionConformance("storage on a thread", threadWorld);

  test("P1: what comes while a batch is on its way is confirmed in order, and not before it is in the files", () =>
    inTempDirectory(async (directory) => {
      const data = join(directory, "data");
      const thread = openThread(data);
      thread.load(group, threeVoters);
      const writer = new Writer(thread);
      const confirmed: number[] = [];
      const found: number[] = [];
      const last = Promise.withResolvers<undefined>();
      thread.onPersisted = (_group, seq) => {
        confirmed.push(seq);
        if (seq % 10 === 1) found.push(durableIn(data, join(directory, `cut${seq}`)) - seq);
        if (seq === 60) last.resolve(undefined);
      };
      for (let index = 1; index <= 60; index++)
        writer.append({ term: 1, vote: 1 }, entriesOf({ from: index, to: index, term: 1 }));
      expect(confirmed).toEqual([]);
      await last.promise;
      thread.close();
      expect(confirmed).toEqual(Array.from({ length: 60 }, (_, position) => position + 1));
      expect(found.filter((ahead) => ahead < 0)).toEqual([]);
    }));

  test("closing makes durable and confirms what was taken", () =>
    inTempDirectory((directory) => {
      const thread = openThread(directory);
      thread.load(group, threeVoters);
      const confirmed: number[] = [];
      thread.onPersisted = (_group, seq) => confirmed.push(seq);
      const writer = new Writer(thread);
      for (let index = 1; index <= 3; index++)
        writer.append({ term: 1, vote: 1 }, entriesOf({ from: index, to: index, term: 1 }));
      thread.close();
      thread.close();
      expect(confirmed).toEqual([1, 2, 3]);
      const again = openThread(directory);
      expect(again.load(group, threeVoters).lastIndex).toBe(3);
      again.close();
    }));

  test("after a write that breaks a rule nothing is taken or read any more", () =>
    inTempDirectory((directory) => {
      const thread = openThread(directory);
      thread.load(group, threeVoters);
      thread.persist([
        writeOf(1, { hardState: { term: 1, vote: 1 }, entries: entriesOf({ from: 1, to: 2, term: 1 }) }),
      ]);
      thread.flush();
      thread.persist([writeOf(2, { entries: entriesOf({ from: 9, to: 9, term: 1 }) })]);
      thread.persist([writeOf(3, { entries: entriesOf({ from: 3, to: 3, term: 1 }) })]);
      expect(() => thread.flush()).toThrow("without a gap");
      expect(() => readAll(thread, 2)).toThrow("without a gap");
      thread.close();
      const again = openThread(directory);
      expect(again.load(group, threeVoters).lastIndex).toBe(2);
      again.close();
    }));

  test("closing lets go of the directory although the last write fails", () =>
    inTempDirectory((directory) => {
      const thread = openThread(directory);
      thread.load(group, threeVoters);
      thread.persist([writeOf(1, { entries: entriesOf({ from: 9, to: 9, term: 1 }) })]);
      expect(() => {
        thread.close();
      }).toThrow("without a gap");
      openThread(directory).close();
    }));

  test("an error comes over as it was: its code, its words and its hint", () =>
    inTempDirectory((directory) => {
      const first = openThread(directory);
      let error: unknown = null;
      try {
        openThread(directory);
      } catch (caught) {
        error = caught;
      }
      first.close();
      expect(error instanceof ProaError).toBe(true);
      const { code, exit, message, hint } = error as ProaError;
      expect([code, exit]).toEqual(["DATA_LOCKED", 9]);
      expect(message).toBe(`Cannot open ${directory}: another process holds it`);
      expect(hint ?? "").toContain("proa node stop");
    }));
}

/** How many entries of group 0 a power cut at this moment would leave of the directory. */
function durableIn(directory: string, copy: string): number {
  cpSync(directory, copy, { recursive: true });
  const thread = openThread(copy);
  const { lastIndex } = thread.load(group, threeVoters);
  thread.close();
  return lastIndex;
}
