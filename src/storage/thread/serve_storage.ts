/**
 * The thread of the disk: does what the thread of the node asks, one thing after the other. All of SQLite is in here, so
 * that it has one thread and one connection, as it would have without.
 */
import { parentPort, workerData } from "node:worker_threads";
import { assert, unreachable } from "../../lib/assert.ts";
import type { Entry, GroupId, LogReader, Persist } from "../../raft/mod.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { openDataDirectory } from "../data_directory.ts";
import type { Storage } from "../storage.ts";
import {
  packError,
  type Answer,
  type Batch,
  type Beginning,
  type Question,
  type Report,
  type Request,
} from "./messages.ts";

/** Serves whoever started this thread, until it is told to close. */
export function serveStorage(runtime: Pick<Runtime, "openSqlite">): void {
  const port = parentPort;
  assert(port !== null, "the storage is served by a thread of its own");
  const { answers, bell } = workerData as Beginning;
  const server = new StorageServer(runtime);
  const rings = new Int32Array(bell);
  const say = (answer: Answer): void => {
    answers.postMessage(answer, answer.ok ? buffersOf(answer.value) : []);
    Atomics.add(rings, 0, 1);
    Atomics.notify(rings, 0);
  };
  port.on("message", (request: Request) => {
    if (request.kind === "persist") port.postMessage(server.persist(request));
    else say(server.answer(request));
    if (request.kind === "close") port.close();
  });
  say({ ok: true, value: null });
}

class StorageServer {
  private storage: Storage | null = null;
  /** What became of the first batch that failed: nothing that comes after it may be done. */
  private failure: { readonly error: unknown } | null = null;
  private readonly readers = new Map<GroupId, LogReader>();
  /** Where payloads lie. Each time that shared memory arrives it counts as new for the collector, so it is sent once. */
  private payloads: Uint8Array = new Uint8Array(0);

  constructor(private readonly runtime: Pick<Runtime, "openSqlite">) {}

  persist({ number, writes, payloads }: Batch): Report {
    try {
      if (payloads !== null) this.payloads = new Uint8Array(payloads);
      this.opened.persist(unpack(writes, this.payloads));
      return { kind: "durable", number };
    } catch (error) {
      this.failure ??= { error };
      return { kind: "failed", error: packError(error) };
    }
  }

  answer(question: Question): Answer {
    try {
      return { ok: true, value: this.valueOf(question) };
    } catch (error) {
      return { ok: false, error: packError(error) };
    }
  }

  private valueOf({ kind, ask }: Question): (Answer & { readonly ok: true })["value"] {
    switch (kind) {
      case "open": {
        const { identity, storage } = openDataDirectory({ runtime: this.runtime, ...ask });
        this.storage = storage;
        return identity;
      }
      case "load": {
        const restored = this.opened.load(ask.group, ask.bootstrap);
        this.readers.set(ask.group, this.opened.reader(ask.group));
        return restored;
      }
      case "read": {
        const reader = this.readers.get(ask.group);
        assert(reader !== undefined, "a group must be loaded before it is read");
        return reader.entries(ask.range);
      }
      case "flush":
        if (this.failure !== null) throw this.failure.error;
        return null;
      case "close":
        this.storage?.close();
        return null;
      default:
        return unreachable(kind);
    }
  }

  private get opened(): Storage {
    assert(this.storage !== null, "the storage is not open");
    if (this.failure !== null) throw this.failure.error;
    return this.storage;
  }
}

/** What moves over with an answer in the place of being copied: the payloads of entries that were read. */
function buffersOf(value: (Answer & { readonly ok: true })["value"]): ArrayBuffer[] {
  if (!Array.isArray(value)) return [];
  const entries: readonly Entry[] = value;
  const buffers = new Set<ArrayBuffer>();
  for (const { payload } of entries) {
    const { buffer } = payload;
    if (buffer instanceof ArrayBuffer && payload.length > 0 && payload.length === buffer.byteLength)
      buffers.add(buffer);
  }
  return [...buffers];
}

/** The writes with the payloads of their entries, which are good until the batch is confirmed. */
function unpack(writes: Batch["writes"], payloads: Uint8Array): readonly Persist[] {
  let offset = 0;
  return writes.map((write) => ({
    ...write,
    thenSend: [],
    entries: write.entries.map(({ bytes, ...entry }) => {
      const payload = payloads.subarray(offset, offset + bytes);
      offset += bytes;
      return { ...entry, payload };
    }),
  }));
}
