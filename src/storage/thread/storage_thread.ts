/**
 * The storage port on a thread of its own, so that the node goes on while the disk syncs: it hears its peers, answers
 * reads and gathers the next batch. One batch is on its way; what comes meanwhile becomes the next, in one transaction.
 *
 * Whoever asks something waits, as for SQLite itself: it is seldom, for the log in memory holds what is needed soon.
 */
import { MessageChannel, receiveMessageOnPort, type MessagePort, type Worker } from "node:worker_threads";
import { assert } from "../../lib/assert.ts";
import { ProaError } from "../../lib/errors.ts";
import type { Entry, GroupId, LogReader, Membership, Persist, Restored } from "../../raft/mod.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Identity, Owner } from "../identity.ts";
import type { Storage } from "../storage.ts";
import {
  unpackError,
  type Answer,
  type Beginning,
  type PackedError,
  type PackedWrite,
  type Question,
  type QuestionKind,
  type Questions,
  type Report,
  type Request,
} from "./messages.ts";

/** How long the thread may take to come up. Milliseconds. */
const startMsMax = 60_000;
/** The payloads of a batch, to begin with. Bytes. */
const payloadBytesMin = 256 * 1024;

/** Writes that the thread was given as one. */
interface Underway {
  readonly number: number;
  readonly writes: readonly Pick<Persist, "group" | "seq">[];
}

export class StorageThread implements Storage {
  onPersisted: (group: GroupId, seq: number) => void = () => undefined;
  private readonly worker: Worker;
  private readonly answers: MessagePort;
  private readonly bell = new Int32Array(new SharedArrayBuffer(4));
  /** How often the bell was heard. */
  private heard = 0;
  /** Taken, and not given to the thread: a batch is on its way. */
  private waiting: Persist[] = [];
  private underway: Underway | null = null;
  private batches = 0;
  /** Holds the payloads of the batch that is on its way. */
  private payloads = new SharedArrayBuffer(payloadBytesMin);
  /** The memory that the thread was told of last. */
  private shared: SharedArrayBuffer | null = null;
  private readonly loaded = new Set<GroupId>();
  private confirming = false;
  private failed = false;
  private closed = false;

  /** Throws a `ProaError` if the thread does not come up. */
  constructor(start: NonNullable<Runtime["startStorageThread"]>) {
    const { port1, port2 } = new MessageChannel();
    this.answers = port1;
    const beginning: Beginning = { answers: port2, bell: this.bell.buffer };
    this.worker = start(beginning, [port2]);
    this.worker.on("message", (report: Report) => {
      this.onReport(report);
    });
    this.worker.on("error", (error) => {
      throw error;
    });
    this.worker.on("exit", () => {
      if (!this.closed) throw new ProaError("INTERNAL", "Cannot go on: the thread of the disk has ended");
    });
    this.awaitAnswer(startMsMax);
  }

  /** Opens the data directory in `directory`. Throws what opening it here would throw. */
  open(directory: string, expected: Owner): Identity {
    return this.ask("open", { directory, expected });
  }

  load(group: GroupId, bootstrap: Membership): Restored {
    const restored = this.ask("load", { group, bootstrap });
    this.loaded.add(group);
    return restored;
  }

  reader(group: GroupId): LogReader {
    assert(this.loaded.has(group), "a group must be loaded before it is used");
    return { entries: (range): readonly Entry[] => this.ask("read", { group, range }) };
  }

  persist(writes: readonly Persist[]): void {
    assert(!this.closed, "the storage is closed");
    assert(!this.confirming, "persist must not be called while writes are confirmed");
    this.waiting.push(...writes);
    if (this.underway === null) this.sendBatch();
  }

  /** Waits until all that was taken is durable, and confirms it. */
  flush(): void {
    while (this.underway !== null || this.waiting.length > 0) {
      if (this.underway === null) this.sendBatch();
      this.ask("flush", null);
      this.confirm();
    }
  }

  /** Lets go of the directory, after a flush unless the disk has failed. Throws what the flush throws, and lets go then, too. */
  close(): void {
    if (this.closed) return;
    try {
      if (!this.failed) this.flush();
    } finally {
      this.letGo();
    }
  }

  private letGo(): void {
    try {
      this.ask("close", null);
    } finally {
      this.closed = true;
      this.answers.close();
      this.worker.unref();
    }
  }

  private onReport(report: Report): void {
    if (this.failed) return; // whoever asked something meanwhile was told
    if (report.kind === "failed") throw this.failure(report.error);
    if (report.number === this.underway?.number) this.confirm(); // else it was confirmed by a flush
  }

  /** The batch that is on its way has become durable. */
  private confirm(): void {
    const done = this.underway;
    assert(done !== null, "what is confirmed was on its way");
    this.underway = null;
    this.sendBatch(); // the disk has something to do while the node hears of this
    this.confirming = true;
    for (const { group, seq } of done.writes) this.onPersisted(group, seq);
    this.confirming = false;
  }

  private failure(error: PackedError): Error {
    this.failed = true;
    return unpackError(error);
  }

  private sendBatch(): void {
    if (this.waiting.length === 0) return;
    const writes = this.waiting;
    this.waiting = [];
    const number = ++this.batches;
    this.underway = { number, writes };
    const packed = this.pack(writes);
    const payloads = this.shared === this.payloads ? null : this.payloads;
    this.shared = this.payloads;
    this.post({ kind: "persist", number, writes: packed, payloads });
  }

  /** Copies the payloads to where the thread reads them. */
  private pack(writes: readonly Persist[]): readonly PackedWrite[] {
    let needed = 0;
    for (const { entries } of writes) for (const { payload } of entries) needed += payload.length;
    if (needed > this.payloads.byteLength) this.payloads = new SharedArrayBuffer(2 * needed);
    const bytes = new Uint8Array(this.payloads);
    let offset = 0;
    return writes.map(({ entries, group, seq, hardState, truncateFrom, compaction }) => ({
      group,
      seq,
      hardState,
      truncateFrom,
      compaction,
      entries: entries.map(({ payload, index, term, kind, checksum }) => {
        bytes.set(payload, offset);
        offset += payload.length;
        return { index, term, kind, checksum, bytes: payload.length };
      }),
    }));
  }

  private ask<Kind extends QuestionKind>(kind: Kind, ask: Questions[Kind]["ask"]): Questions[Kind]["answer"] {
    assert(!this.closed, "the storage is closed");
    this.post({ kind, ask } as Question);
    return this.awaitAnswer(Infinity);
  }

  private post(request: Request): void {
    this.worker.postMessage(request);
  }

  /** Blocks this thread until the other has answered. */
  private awaitAnswer(msMax: number): (Answer & { readonly ok: true })["value"] {
    const outcome = Atomics.wait(this.bell, 0, this.heard, msMax);
    if (outcome === "timed-out") throw new ProaError("INTERNAL", "Cannot open the data: its thread does not come up");
    this.heard++;
    const answer = receiveMessageOnPort(this.answers)?.message as Answer | undefined;
    assert(answer !== undefined, "who rings has answered");
    if (!answer.ok) throw this.failure(answer.error);
    return answer.value;
  }
}
