/** Watching: asks for one portion of changes after another, from wherever a node answers; the place is kept here. */
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import { readChangesAnswer, writeChanges } from "../wire/mod.ts";
import type { Change, ChangesAnswer, ChangesPlace, ChangesQuery } from "../wire/mod.ts";
import { futureWatch, passingCodes } from "./call_errors.ts";
import { KeyValue } from "./key_value.ts";
import { NotAppliedError, outcomeError } from "./outcomes.ts";
import type { ClientClock, Route, Router } from "./router.ts";
import type { RpcOutcome } from "./rpc_connection.ts";

/** One key that was changed. */
export type WatchEvent =
  | { readonly kind: "put"; readonly key: Uint8Array; readonly now: KeyValue; readonly previous: KeyValue | null }
  | {
      readonly kind: "delete";
      readonly key: Uint8Array;
      readonly now: null;
      /** What the key was before: null unless it was asked for, and where that is compacted. */
      readonly previous: KeyValue | null;
    };

/** All that one revision changed, as far as it was asked for. */
export interface WatchedRevision {
  readonly revision: number;
  /** In the order in which the revision made them; empty for a mark of progress. */
  readonly events: readonly WatchEvent[];
}

export interface WatchRequest extends Pick<ChangesQuery, "start" | "end" | "previous" | "only"> {
  readonly progress: boolean;
  /** The first revision that is wanted. */
  readonly begin: Promise<number>;
  /** The revision of the store, as new as every write that was acknowledged before. Rejects with a `ProaError`. */
  readonly newest: () => Promise<number>;
  readonly signal: AbortSignal;
}

interface Surroundings {
  readonly router: Router;
  readonly clock: ClientClock;
}

/** How long a node may wait for changes before it says that there are none: the rhythm of progress marks. Milliseconds. */
const pollMs = 5000;
/** The same for the first portion: so that the first mark of progress, or the reason why there will be nothing, comes soon. Milliseconds. */
const firstPollMs = 100;
/** The pauses before another node is asked, in milliseconds. */
const pauseMs = { first: 20, longest: 1000 };

export async function* watchRange(
  request: WatchRequest,
  around: Surroundings,
): AsyncGenerator<WatchedRevision, void, void> {
  let place: ChangesPlace = { revision: Math.max(2, await request.begin), skip: 0 }; // nothing was changed at 1
  let told = place.revision - 1;
  let open: { readonly revision: number; readonly events: WatchEvent[] } | null = null;
  for (let isFirst = true; ; isFirst = false) {
    const { changes, next, revision: reached } = await portion(request, { from: place, isFirst }, around);
    if (reached + 1 < place.revision) await refuseFuture(request, place.revision);
    for (const change of changes) {
      const revision = change.state.modRevision;
      if (open !== null && open.revision !== revision) {
        yield open;
        told = open.revision;
        open = null;
      }
      open ??= { revision, events: [] };
      open.events.push(eventOf(change));
    }
    place = next;
    if (open !== null && open.revision < next.revision) {
      yield open;
      told = open.revision;
      open = null;
    }
    if (!request.progress || next.skip > 0 || next.revision - 1 <= told) continue;
    told = next.revision - 1;
    yield { revision: told, events: [] };
  }
}

/**
 * A node that has not come to `from` lags behind, or the store was never there: then what follows would be taken for what
 * it is not. Throws FUTURE_REVISION. While nobody can say, it may still be the first.
 */
async function refuseFuture({ newest }: WatchRequest, from: number): Promise<void> {
  try {
    const revision = await newest();
    if (revision + 1 < from) throw outcomeError(futureWatch(from, revision));
  } catch (error) {
    const passes = error instanceof ProaError && (passingCodes.has(error.code) || error.code === "UNREACHABLE");
    if (!passes) throw error;
  }
}

/** The next portion, from whichever node gives it; asks until one does. */
async function portion(
  request: WatchRequest,
  { from, isFirst }: { readonly from: ChangesPlace; readonly isFirst: boolean },
  around: Surroundings,
): Promise<ChangesAnswer> {
  const { router, clock } = around;
  const timeoutMs = isFirst ? firstPollMs : pollMs;
  const writer = new ByteWriter();
  writeChanges(writer, { ...request, from });
  const query = writer.take();
  for (let tries = 0; ; tries++) {
    const { endpoint, outcome } = await ask({ query, timeoutMs }, request.signal, router);
    const answer = answerOf(outcome);
    if (typeof answer !== "string") return answer;
    router.onFailure(endpoint, answer);
    await pause(Math.min(pauseMs.first * 2 ** tries, pauseMs.longest), request.signal, clock);
  }
}

/** Asks one node. Rejects only with the reason of `signal`. */
function ask(
  { query, timeoutMs }: { readonly query: Uint8Array; readonly timeoutMs: number },
  signal: AbortSignal,
  router: Router,
): Promise<{ readonly endpoint: string; readonly outcome: RpcOutcome }> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      seeker.isWaiting = false;
      reject(reasonOf(signal));
    };
    const seeker = {
      isWaiting: true,
      onRoute({ endpoint, connection }: Route): void {
        const header = { kind: "watch", consistency: "stale", hops: 0, group: 0, timeoutMs, count: 1 } as const;
        connection.request({ ...header, body: query }, (outcome) => {
          signal.removeEventListener("abort", abort);
          if ("response" in outcome) router.onAnswer(endpoint, outcome.response);
          resolve({ endpoint, outcome });
        });
      },
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    router.seek(seeker);
  });
}

/** What was answered, all of it copied; or, as text, why another node has to be asked. Throws what would be the same everywhere. */
function answerOf(outcome: RpcOutcome): ChangesAnswer | string {
  switch (outcome.kind) {
    case "done":
      try {
        return readChangesAnswer(outcome.response.body);
      } catch (error) {
        if (!(error instanceof CorruptError)) throw error;
        throw new NotAppliedError("INTERNAL", `Cannot watch: the answer of the node is damaged: ${error.message}`);
      }
    case "refused":
      if (passingCodes.has(outcome.error.code)) return outcome.error.message;
      throw outcomeError(outcome.error);
    case "notSent":
    case "lost":
      return outcome.reason;
  }
}

function eventOf({ key, state, previous }: Change): WatchEvent {
  const own = key.slice();
  const before = previous === null ? null : new KeyValue(own, previous.value.slice(), previous);
  if (state.version === 0) return { kind: "delete", key: own, now: null, previous: before };
  return { kind: "put", key: own, now: new KeyValue(own, state.value.slice(), state), previous: before };
}

function pause(delayMs: number, signal: AbortSignal, clock: ClientClock): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      cancel();
      reject(reasonOf(signal));
    };
    const cancel = clock.at(clock.now() + delayMs, () => {
      signal.removeEventListener("abort", abort);
      resolve();
    });
    signal.addEventListener("abort", abort, { once: true });
  });
}

function reasonOf({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new DOMException("the watch was aborted", "AbortError");
}
