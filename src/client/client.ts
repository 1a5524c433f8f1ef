/**
 * The client library: a cluster as an object with methods. It finds the leader, follows it, reconnects, and tries again
 * what has definitely not happened. What may have happened it sends again under the same id, by which the store knows it
 * (rule C1), and reports where that leads to no answer in time.
 */
import { leaseError, readGranted } from "../wire/mod.ts";
import type { CommandResult, KeyRange, PutCommand } from "../wire/mod.ts";
import { defaultEndpoints, isEndpoint } from "./endpoints.ts";
import type { Operation } from "./frame.ts";
import { bytesOf } from "./key_value.ts";
import type { Bytes, KeyValue } from "./key_value.ts";
import {
  deleteOperation,
  deleteRangeOperation,
  getOperation,
  historyOperation,
  putOperation,
  rangeOperation,
} from "./operations.ts";
import type { Consistency, HistoryPage, RangePage } from "./operations.ts";
import { ClientLeases } from "./leases.ts";
import { takeLock } from "./lock.ts";
import type { Lock, LockOptions } from "./lock.ts";
import { NotAppliedError, outcomeError } from "./outcomes.ts";
import { Pipeline } from "./pipeline.ts";
import { Router } from "./router.ts";
import type { ClientClock } from "./router.ts";
import { rangeOf } from "./selection.ts";
import type { Selection } from "./selection.ts";
import { txnOperation } from "./txn.ts";
import type { Txn, TxnOutcome } from "./txn.ts";
import { watchRange } from "./watch.ts";
import type { WatchedRevision } from "./watch.ts";

export interface ConnectOptions {
  /** Service ports of some nodes, as `host:port`; the others are learned. Default: 127.0.0.1:5001, :5002 and :5003. */
  readonly endpoints?: readonly string[];
  /** How long a call may take unless it says otherwise, in milliseconds. Default: 5000. */
  readonly timeoutMs?: number;
  /**
   * Whether a write is sent again when no answer came, within its time and so that it takes effect at most once: the store
   * remembers requests by their ids. Without it such a write is unknown at once. Default: true.
   */
  readonly repeatUnknown?: boolean;
}

/** What every call takes. */
export interface CallOptions {
  /** How long the call may take, tries and reconnects included, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Ends the call early: with the reason of the signal, or as unknown where a write was sent already. */
  readonly signal?: AbortSignal | undefined;
}

export interface ReadOptions extends CallOptions {
  /** Default: `linearizable`. */
  readonly consistency?: Consistency | undefined;
  /** Reads what was there at this revision of the store; what is compacted is refused (`COMPACTED`). Default: the newest. */
  readonly revision?: number | undefined;
}

/** When a write may take effect. */
export type Condition =
  /** Only if the key does not exist. */
  | { readonly ifAbsent: true; readonly ifRevision?: never }
  /** Only if the latest put of the key was at this revision ({@link KeyValue.modRevision}). */
  | { readonly ifRevision: number; readonly ifAbsent?: never };

/** What a key that is put is to hang on, and goes with. Without it the key hangs on no lease, whatever it hung on before. */
export interface Hanging {
  /** A lease that exists, else the call rejects with `LEASE_NOT_FOUND`. */
  readonly lease?: number | undefined;
  /** Instead: a lease of its own, granted with it for so long, in milliseconds; it ends when the key is deleted or put again. */
  readonly ttlMs?: number | undefined;
}

/** A write that took effect. */
export interface Written {
  readonly ok: true;
  /** The revision of the store right after it; of a put also the `modRevision` of its key. */
  readonly revision: number;
  /** Of a put with `ttlMs`: the lease that was granted. */
  readonly lease?: number;
}

/** A delete that took effect, if only by finding nothing. */
export interface Deleted extends Written {
  /** How many keys are gone. */
  readonly deleted: number;
}

/** A write that changed nothing, because its condition does not hold. */
export interface ConditionFailed {
  readonly ok: false;
  readonly revision: number;
  /** What the condition would have to name: the revision of the latest put of the key; 0 where the key does not exist. */
  readonly modRevision: number;
}

export interface RangeOptions extends ReadOptions {
  /** The most items in one page. Default: as many as a node puts into an answer of 8 MiB. */
  readonly limit?: number | undefined;
  /** Leaves the values out: they come back empty. */
  readonly keysOnly?: boolean | undefined;
}

export interface HistoryOptions extends CallOptions {
  /** Default: `linearizable`. */
  readonly consistency?: Consistency | undefined;
  /** Only versions from before this revision: where the page before ended. Default: from the newest on. */
  readonly below?: number | undefined;
  /** The most versions in one page. Default: as many as a node puts into an answer of 8 MiB. */
  readonly limit?: number | undefined;
}

/** What to watch: one key, or a range. */
export type WatchSelection = { readonly key: Bytes } | (Selection & { readonly key?: undefined });

export interface WatchOptions {
  /** The first revision whose changes are wanted. Default: what comes after the call. */
  readonly from?: number | undefined;
  /** Whether each change comes with what the key was before. */
  readonly previous?: boolean | undefined;
  /** Only puts, or only deletes. */
  readonly only?: "put" | "delete" | undefined;
  /** Also says, with no events, up to which revision nothing else has happened: so that `from` can follow while all is quiet. */
  readonly progress?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

const timeoutMsDefault = 5000;

/**
 * A connection to a cluster. Calls may be made in any number at any time: all those of one tick travel together. Calls
 * that are under way at once take effect in any order; a call that is made after another has ended takes effect after it.
 */
export class Client {
  /** Leases: times that keys hang on. */
  readonly lease: ClientLeases;
  private readonly timeoutMs: number;
  private readonly clock: ClientClock;
  private readonly closing = new AbortController();
  private readonly router: Router;
  private readonly pipeline: Pipeline;

  /** Programs call `connect`, which knows the clock. Throws a `NotAppliedError` for an endpoint that is none. */
  constructor(options: ConnectOptions, clock: ClientClock) {
    const { endpoints = defaultEndpoints, timeoutMs = timeoutMsDefault, repeatUnknown = true } = options;
    const wrong = endpoints.length === 0 ? "" : endpoints.find((endpoint) => !isEndpoint(endpoint));
    if (wrong !== undefined) throw invalid(`Cannot connect: the endpoint ${JSON.stringify(wrong)} is not host:port`);
    this.timeoutMs = checkedTimeout(timeoutMs);
    this.clock = clock;
    this.lease = new ClientLeases({ client: this, clock, closing: this.closing.signal });
    this.router = new Router({ endpoints, clock });
    this.pipeline = new Pipeline({ router: this.router, clock, repeatUnknown });
  }

  /** Writes a value. Resolves once a majority has it on disk and it is applied. */
  put(key: Bytes, value: Bytes, options?: CallOptions & Hanging): Promise<Written>;
  put(key: Bytes, value: Bytes, options: CallOptions & Hanging & Condition): Promise<Written | ConditionFailed>;
  async put(
    key: Bytes,
    value: Bytes,
    options: CallOptions & Hanging & Partial<Condition> = {},
  ): Promise<Written | ConditionFailed> {
    const ifRevision = revisionOf(options);
    const command = { key: bytesOf(key), value: bytesOf(value), ifRevision, ...hangingOf(options) };
    const result = await this.run(putOperation(command), options);
    const missing = leaseError("put", result);
    if (missing !== null) throw outcomeError(missing);
    const failed = conditional(result);
    if (failed !== null) return failed;
    const granted = options.ttlMs === undefined ? {} : { lease: readGranted(result).id };
    return { ok: true, revision: result.revision, ...granted };
  }

  /** Reads a key; null where it does not exist. */
  async get(key: Bytes, options: ReadOptions = {}): Promise<KeyValue | null> {
    const { consistency = "linearizable", revision } = options;
    return this.run(getOperation(bytesOf(key), { consistency, revision: checkedRevision(revision) }), options);
  }

  /** Deletes a key; where there is none, nothing changes and `deleted` is 0. */
  delete(key: Bytes, options?: CallOptions): Promise<Deleted>;
  delete(key: Bytes, options: CallOptions & { readonly ifRevision: number }): Promise<Deleted | ConditionFailed>;
  async delete(
    key: Bytes,
    options: CallOptions & { readonly ifRevision?: number } = {},
  ): Promise<Deleted | ConditionFailed> {
    const ifRevision = revisionOf(options);
    const result = await this.run(deleteOperation({ key: bytesOf(key), ifRevision }), options);
    return conditional(result) ?? deletion(result);
  }

  /** Deletes all keys of a range in one revision. */
  async deleteRange(selection: Selection, options: CallOptions = {}): Promise<Deleted> {
    return deletion(await this.run(deleteRangeOperation(rangeOf(selection)), options));
  }

  /** Does `then` if everything under `if` holds, else `else`: at once, in one revision. */
  async txn(txn: Txn, options: CallOptions = {}): Promise<TxnOutcome> {
    return this.run(txnOperation(txn), options);
  }

  /** Reads one page of the versions of a key that the store still has, the newest first. */
  async history(key: Bytes, options: HistoryOptions = {}): Promise<HistoryPage> {
    const { consistency = "linearizable", limit } = options;
    const query = { key: bytesOf(key), below: checkedRevision(options.below), limit: checkedLimit(limit) };
    return this.run(historyOperation(query, consistency), options);
  }

  /** Reads one page of a range, in the order of the bytes of its keys. */
  async range(selection: Selection, options: RangeOptions = {}): Promise<RangePage> {
    const { keysOnly = false, consistency = "linearizable" } = options;
    const revision = checkedRevision(options.revision);
    const limit = checkedLimit(options.limit);
    return this.run(rangeOperation({ ...rangeOf(selection), limit, keysOnly, revision }, consistency), options);
  }

  /** All items of a range as they were at one revision, read page by page. `timeoutMs` holds for each page. */
  async *scan(selection: Selection, options: RangeOptions = {}): AsyncGenerator<KeyValue, void, void> {
    const { end } = rangeOf(selection);
    let { revision } = options;
    for (let rest: Selection | null = selection; rest !== null;) {
      const page: RangePage = await this.range(rest, { ...options, revision });
      yield* page.items;
      revision ??= page.revision;
      rest = page.next === null ? null : { start: page.next, ...(end === null ? {} : { end }) };
    }
  }

  /**
   * The changes of a key or a range, revision by revision, each exactly once and in order: from `from` on, else from what
   * comes after this call. It goes on over lost connections and changes of leaders. Ends with the reason of `signal`, with
   * COMPACTED where changes are no longer there, with FUTURE_REVISION where the store was never as far as `from`, and by
   * leaving the loop.
   */
  watch(selection: WatchSelection, options: WatchOptions = {}): AsyncGenerator<WatchedRevision, void, void> {
    const { key } = selection;
    const range = key === undefined ? rangeOf(selection) : rangeOfKey(bytesOf(key));
    const { previous = false, only = null, progress = false } = options;
    const from = checkedRevision(options.from);
    const signals = [this.closing.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const begin = from === null ? this.revision(options).then((revision) => revision + 1) : Promise.resolve(from);
    begin.catch(() => undefined); // whoever asks for the first change hears of it
    const signal = AbortSignal.any(signals);
    const newest = (): Promise<number> => this.revision({ signal });
    return watchRange(
      { ...range, previous, only, progress, begin, newest, signal },
      { router: this.router, clock: this.clock },
    );
  }

  /**
   * Waits until the lock `name` is ours, in the order of arrival, and keeps it until it is released or lost: see {@link Lock},
   * and docs/locks.md for what is promised. Rejects with WAIT_TIMEOUT when `timeoutMs` is over.
   */
  async lock(name: string, options: LockOptions = {}): Promise<Lock> {
    return takeLock(name, options, { client: this, clock: this.clock, closing: this.closing.signal });
  }

  /** The revision of the store, as new as every write that was acknowledged before. */
  async revision(options: CallOptions = {}): Promise<number> {
    const nothing = { start: Uint8Array.of(0), end: Uint8Array.of(0) };
    return (await this.range(nothing, { ...options, limit: 1, keysOnly: true })).revision;
  }

  /** Ends the connection and every call that is under way. */
  close(): void {
    this.closing.abort(new NotAppliedError("STOPPING", "Cannot watch: the client was closed"));
    this.pipeline.close();
    this.router.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Runs an operation that has no method of its own. Rejects as all calls do. */
  run<T>(operation: Operation<T>, { timeoutMs = this.timeoutMs, signal }: CallOptions = {}): Promise<T> {
    return this.pipeline.run(operation, { timeoutMs: checkedTimeout(timeoutMs), signal: signal ?? null });
  }
}

/** The mod revision that a key must have; 0: it must not exist; null: no condition. */
function revisionOf({
  ifAbsent,
  ifRevision,
}: {
  readonly ifAbsent?: boolean;
  readonly ifRevision?: number;
}): number | null {
  if (ifRevision === undefined) return ifAbsent === true ? 0 : null;
  if (ifAbsent === true) throw invalid("Cannot write: ifAbsent and ifRevision exclude each other");
  if (Number.isSafeInteger(ifRevision) && ifRevision > 0) return ifRevision;
  throw invalid(`Cannot write: ifRevision is ${ifRevision}, not a revision`);
}

function hangingOf({ lease, ttlMs }: Hanging): Pick<PutCommand, "lease" | "ttlMs"> {
  if (lease === undefined) return ttlMs === undefined ? {} : { ttlMs };
  if (ttlMs !== undefined) throw invalid("Cannot put: lease and ttlMs exclude each other");
  if (Number.isSafeInteger(lease) && lease > 0) return { lease };
  throw invalid(`Cannot put: lease is ${lease}, not the id of a lease`);
}

function rangeOfKey(key: Uint8Array): KeyRange {
  const end = new Uint8Array(key.length + 1);
  end.set(key);
  return { start: key, end };
}

function conditional({ status, revision, modRevision }: CommandResult): ConditionFailed | null {
  return status === "ok" ? null : { ok: false, revision, modRevision };
}

function deletion({ revision, changed }: CommandResult): Deleted {
  return { ok: true, revision, deleted: changed };
}

function checkedRevision(revision: number | undefined): number | null {
  if (revision === undefined) return null;
  if (Number.isSafeInteger(revision) && revision > 0) return revision;
  throw invalid(`Cannot read at revision ${revision}: a revision is a whole number from 1`);
}

function checkedLimit(limit: number | undefined): number | null {
  if (limit === undefined) return null;
  if (Number.isSafeInteger(limit) && limit > 0) return limit;
  throw invalid(`Cannot read: the limit is ${limit}, not a whole number from 1`);
}

function checkedTimeout(timeoutMs: number): number {
  if (timeoutMs > 0) return timeoutMs;
  throw invalid(`Cannot wait for ${timeoutMs} ms: a timeout is positive`);
}

function invalid(message: string): NotAppliedError {
  return new NotAppliedError("INVALID_REQUEST", message);
}
