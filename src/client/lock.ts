/**
 * Locks on leases. Whoever wants one puts a key of his own under the name of the lock, hanging on a lease; these keys, in the
 * order in which they were created, are the queue, and the first of them hold the lock. Whoever is not among them watches
 * for one before him to go. What is promised, and what is not, is in docs/locks.md.
 */
import { ProaError } from "../lib/errors.ts";
import { passingCodes } from "./call_errors.ts";
import type { CallOptions, Client } from "./client.ts";
import { KeepAlive } from "./keep_alive.ts";
import { percentEncode } from "./key_text.ts";
import { bytesOf } from "./key_value.ts";
import type { Bytes, KeyValue } from "./key_value.ts";
import { grantOperation, renewOperation, revokeOperation } from "./lease_operations.ts";
import { putOperation } from "./operations.ts";
import { NotAppliedError, UnknownOutcomeError } from "./outcomes.ts";
import type { ClientClock } from "./router.ts";
import { Tenure } from "./tenure.ts";

export interface LockOptions {
  /** How long the lock outlives a holder who is gone without a word, in milliseconds: at least 1000. Default: 15,000. */
  readonly ttlMs?: number | undefined;
  /** How many may hold it at once; all who take part must say the same. Default: 1. */
  readonly holders?: number | undefined;
  /** How long to wait for it, in milliseconds. Default: as long as it takes, while the cluster answers. */
  readonly timeoutMs?: number | undefined;
  /** Ends the waiting, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** What others read in the key of who holds it or waits. Default: nothing. */
  readonly value?: Bytes | undefined;
  /** Told after each renewal: {@link Lock.heldUntil} is later than before. */
  readonly onRenewed?: ((lock: Lock) => void) | undefined;
}

/** Under which all locks are. */
const lockPrefix = "/proa/lock/";
const nameBytesMax = 1024;
const ttlMsDefault = 15_000;
/** How long it may take to let a lock go, which otherwise goes with its lease. Milliseconds. */
const releaseMs = 2000;

/** A lock that is held. */
export class Lock {
  readonly name: string;
  /** The key that stands for it in the store. */
  readonly key: string;
  /** Higher than that of everybody who held the lock before: the revision at which {@link key} was created. */
  readonly token: number;
  private readonly place: Place;

  constructor(name: string, place: Place) {
    this.name = name;
    this.key = place.key;
    this.token = place.token;
    this.place = place;
  }

  /** Aborted, with the reason, once nobody has confirmed that we have it for so long that somebody else may soon: stop before {@link heldUntil}. */
  get lost(): AbortSignal {
    return this.place.lost;
  }

  /** Until when nobody else has it, in milliseconds on the clock of `performance.now()`. */
  get heldUntil(): number {
    return this.place.tenure.goneAt;
  }

  /** Throws the reason (LOCK_LOST) if it is lost. To be asked where timers may be late. */
  check(): void {
    this.place.check();
  }

  /** Lets the next one have it; may be called again. Rejects where the cluster does not answer, and then it goes with its lease. */
  release(): Promise<void> {
    return this.place.leave();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

interface Surroundings {
  readonly client: Client;
  readonly clock: ClientClock;
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
}

/** Waits for the lock `name`. Rejects with a {@link NotAppliedError}, WAIT_TIMEOUT if it is the time, and with the reason of the signal. */
export async function takeLock(name: string, options: LockOptions, around: Surroundings): Promise<Lock> {
  const { ttlMs = ttlMsDefault, holders = 1, value = "", onRenewed } = options;
  const prefix = prefixOf(name);
  if (!(Number.isSafeInteger(holders) && holders > 0)) {
    throw invalid(`Cannot lock ${name}: ${holders} holders, not a whole number from 1`);
  }
  const patience = new Patience(options, { clock: around.clock, name });
  try {
    for (;;) {
      const place = await Place.take({ prefix, ttlMs, value, name }, { ...around, patience });
      if (place !== null && (await place.waitForTurn({ prefix, holders }, patience))) {
        const lock = new Lock(name, place);
        place.onRenewed = () => onRenewed?.(lock);
        return lock;
      }
    }
  } finally {
    patience.end();
  }
}

/** How long somebody wants to wait. */
class Patience {
  /** For the time in which others have the lock. */
  readonly signal: AbortSignal;
  private readonly clock: ClientClock;
  private readonly deadline: number;
  private readonly given: AbortSignal | undefined;
  private readonly over = new AbortController();
  private readonly cancelTimer: () => void;

  constructor(
    { timeoutMs = Infinity, signal }: Pick<LockOptions, "timeoutMs" | "signal">,
    { clock, name }: { readonly clock: ClientClock; readonly name: string },
  ) {
    if (!(timeoutMs > 0)) throw invalid(`Cannot wait for ${timeoutMs} ms: a timeout is positive`);
    this.clock = clock;
    this.given = signal;
    this.deadline = clock.now() + timeoutMs;
    this.signal = AbortSignal.any(signal === undefined ? [this.over.signal] : [this.over.signal, signal]);
    this.cancelTimer =
      timeoutMs === Infinity
        ? () => undefined
        : clock.at(this.deadline, () => {
            this.over.abort(tooLate(name, timeoutMs));
          });
  }

  /** For calls: where nobody answers until the time is over, that is what is told. */
  get call(): CallOptions {
    const remainingMs = this.deadline - this.clock.now();
    if (remainingMs === Infinity) return { signal: this.given };
    return { signal: this.given, timeoutMs: Math.max(1, remainingMs) };
  }

  /** Why there is no place in the queue: that one may have been taken matters to nobody, for it goes with its lease. */
  reasonFor(error: unknown): unknown {
    if (this.given?.aborted === true) return this.given.reason;
    if (!(error instanceof UnknownOutcomeError)) return error;
    return new NotAppliedError("NO_QUORUM", error.message, { tried: error.tried, cause: error });
  }

  end(): void {
    this.cancelTimer();
  }
}

/** A place in the queue of a lock: a key on a lease that is kept alive. */
class Place {
  readonly key: string;
  readonly tenure: Tenure;
  onRenewed: () => void = () => undefined;
  private readonly client: Client;
  private readonly clock: ClientClock;
  private readonly lease: number;
  private readonly loss = new AbortController();
  private readonly keepAlive: KeepAlive;
  private readonly closing: AbortSignal;
  private created = 0;
  private left: Promise<void> | null = null;

  private constructor(
    { key, lease, tenure, name }: { key: string; lease: number; tenure: Tenure; name: string },
    { client, clock, closing }: Surroundings,
  ) {
    this.key = key;
    this.lease = lease;
    this.tenure = tenure;
    this.client = client;
    this.clock = clock;
    this.keepAlive = new KeepAlive({
      tenure,
      timers: clock,
      renew: (timeoutMs) => client.run(renewOperation(lease), { timeoutMs }),
      onRenewed: () => {
        this.onRenewed();
      },
      onLost: (reason) => {
        this.loss.abort(lockLost(name, reason));
      },
    });
    closing.addEventListener("abort", this.onClosing);
    this.closing = closing;
  }

  /** Takes a place at the end of the queue. Null where that took so long that its lease is over again. */
  static async take(
    wanted: { readonly prefix: string; readonly ttlMs: number; readonly value: Bytes; readonly name: string },
    around: Surroundings & { readonly patience: Patience },
  ): Promise<Place | null> {
    const { client, clock, patience } = around;
    const { prefix, ttlMs, value, name } = wanted;
    let place: Place | null = null;
    try {
      const sentAt = clock.now();
      const { id: lease } = await client.run(grantOperation(ttlMs), patience.call);
      const tenure = new Tenure({ ttlMs, sentAt });
      place = new Place({ key: `${prefix}${lease}`, lease, tenure, name }, around);
      const command = { key: bytesOf(place.key), value: bytesOf(value), ifRevision: 0, lease };
      const { status, modRevision } = await client.run(putOperation(command), patience.call);
      place.created = modRevision;
      if (status === "ok") return place;
      await place.abandon();
      return null;
    } catch (error) {
      await place?.abandon();
      throw patience.reasonFor(error);
    }
  }

  get lost(): AbortSignal {
    return this.loss.signal;
  }

  get token(): number {
    return this.created;
  }

  check(): void {
    this.keepAlive.check();
    if (this.lost.aborted) throw this.lost.reason;
  }

  /** Resolves to whether the turn has come: if not, the place is lost. Rejects when the patience is over. */
  async waitForTurn(
    { prefix, holders }: { readonly prefix: string; readonly holders: number },
    patience: Patience,
  ): Promise<boolean> {
    const signal = AbortSignal.any([this.lost, patience.signal]);
    try {
      for (;;) {
        const { queue, revision } = await this.queue(prefix, signal);
        if (!queue.some(({ keyText }) => keyText === this.key)) break; // its lease is over
        const before = queue.filter(({ createRevision }) => createRevision < this.token);
        if (before.length < holders) return !this.lost.aborted;
        // Of several holders any may go first; one alone is followed in the order of the queue.
        const watched = holders === 1 ? { key: lastOf(before).key } : { prefix };
        const changes = this.client.watch(watched, { from: revision + 1, only: "delete", signal });
        for await (const { events } of changes) if (events.length > 0) break;
      }
    } catch (error) {
      if (patience.signal.aborted || !(this.lost.aborted || isPassing(error))) {
        await this.abandon();
        throw patience.signal.aborted ? patience.signal.reason : error;
      }
    }
    void this.abandon();
    return false;
  }

  /** All places, as they were at one revision. */
  private async queue(prefix: string, signal: AbortSignal): Promise<{ queue: readonly KeyValue[]; revision: number }> {
    const timeoutMs = Math.max(1, this.tenure.lostAt - this.clock.now());
    const first = await this.client.range({ prefix }, { keysOnly: true, signal, timeoutMs });
    if (first.next === null) return { queue: first.items, revision: first.revision };
    const queue: KeyValue[] = [];
    for await (const item of this.client.scan({ prefix }, { keysOnly: true, signal, revision: first.revision })) {
      queue.push(item);
    }
    return { queue, revision: first.revision };
  }

  private readonly onClosing = (): void => {
    this.keepAlive.lose("the client was closed");
  };

  leave(): Promise<void> {
    this.keepAlive.stop();
    this.closing.removeEventListener("abort", this.onClosing);
    this.left ??= this.client.run(revokeOperation(this.lease), { timeoutMs: releaseMs }).then(
      () => undefined,
      (error: unknown) => {
        if (!(error instanceof ProaError && error.code === "LEASE_NOT_FOUND")) throw error;
      },
    );
    return this.left;
  }

  /** As {@link leave}; where that fails, it goes with its lease. */
  private abandon(): Promise<void> {
    return this.leave().catch(() => undefined);
  }
}

/** Whether another place may do better: whoever asks for one hears soon enough if nobody answers. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof NotAppliedError)) return false;
  return passingCodes.has(error.code) || error.code === "UNREACHABLE" || error.code === "COMPACTED";
}

function prefixOf(name: string): string {
  const bytes = bytesOf(name);
  if (bytes.length > 0 && bytes.length <= nameBytesMax) return `${lockPrefix}${percentEncode(bytes)}/`;
  throw invalid(`Cannot lock: the name has ${bytes.length} bytes, not from 1 to ${nameBytesMax}`);
}

function lastOf(before: readonly KeyValue[]): KeyValue {
  return before.reduce((last, item) => (item.createRevision > last.createRevision ? item : last));
}

function tooLate(name: string, timeoutMs: number): NotAppliedError {
  return new NotAppliedError("WAIT_TIMEOUT", `Cannot lock ${name}: others had it for all of the ${timeoutMs} ms`);
}

function lockLost(name: string, reason: string): ProaError {
  return new ProaError("LOCK_LOST", `Cannot hold the lock ${name} any longer: ${reason}`, { applied: "unknown" });
}

function invalid(message: string): NotAppliedError {
  return new NotAppliedError("INVALID_REQUEST", message);
}
