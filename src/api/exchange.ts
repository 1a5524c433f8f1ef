/** One HTTP request on its way through a handler, and what handlers share. */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { ProaError } from "../lib/errors.ts";
import type { Clock, NodeService } from "../node/mod.ts";
import type { GroupId, Index } from "../raft/mod.ts";
import type { Upgrade } from "../runtime/runtime.ts";
import { readGetAnswer, writeGet } from "../wire/mod.ts";
import type { BodyReceiver } from "./body.ts";
import type { Gateway, ServiceRequest } from "./gateway.ts";
import type { ServiceLimits } from "./limits.ts";
import type { SnapshotStreams } from "./snapshot_streams.ts";
import type { Target } from "./target.ts";
import type { Watches } from "./watches.ts";

/** There is one group until more are asked for; paths do not name it. */
export const groupZero: GroupId = 0;

/** What every handler may use. */
export interface ServiceContext {
  readonly node: NodeService;
  readonly gateway: Gateway;
  readonly watches: Watches;
  readonly snapshots: SnapshotStreams;
  readonly bodies: BodyReceiver;
  readonly clock: Clock;
  readonly limits: ServiceLimits;
}

export interface Exchange {
  readonly context: ServiceContext;
  readonly request: Request;
  readonly target: Target;
  readonly upgrade: Upgrade;
  /** When the client wants its answer, on the clock of the context, in milliseconds. */
  readonly deadline: number;
}

/** Throws a {@link ProaError} for anything but an answer to what was asked. */
export type Handler = (exchange: Exchange) => Response | Promise<Response>;

/** What a handler asks of the group. */
export type Batch = Pick<ServiceRequest, "kind" | "consistency" | "count" | "body">;

/** Milliseconds until the deadline, at least 1. */
export function remainingMs({ context, deadline }: Exchange): number {
  return Math.max(1, Math.ceil(deadline - context.clock.now()));
}

/**
 * Sends commands or queries through the gateway. `read` makes of the answer what outlives the call; rejects with the
 * {@link ProaError} that the gateway gives instead of an answer.
 */
export function submit<T>(
  exchange: Exchange,
  batch: Batch,
  read: (answer: ByteReader, appliedIndex: Index) => T,
): Promise<T> {
  const request: ServiceRequest = { ...batch, group: groupZero, hops: 0, timeoutMs: remainingMs(exchange) };
  return new Promise((resolve, reject) => {
    exchange.context.gateway.submit(request, (outcome) => {
      if (outcome.kind === "failed") reject(outcome.error);
      else settle(() => read(new ByteReader(outcome.body), outcome.appliedIndex), resolve, reject);
    });
  });
}

/** Of a store that is as new as every write that was acknowledged before; by then it is that of this node. */
export function newestRevision(exchange: Exchange): Promise<number> {
  const writer = new ByteWriter();
  writeGet(writer, Uint8Array.of(0));
  const batch = { kind: "read", consistency: "linearizable", count: 1, body: writer.peek() } as const;
  return submit(exchange, batch, (answer) => readGetAnswer(answer).revision);
}

/** Settles a promise with what `make` returns or throws. */
function settle<T>(make: () => T, resolve: (value: T) => void, reject: (error: unknown) => void): void {
  try {
    resolve(make());
  } catch (error) {
    reject(error);
  }
}

/** The time that the request grants, from `X-Proa-Timeout-Ms`. */
export function timeoutOf(headers: Headers, limits: ServiceLimits): number {
  const text = headers.get("x-proa-timeout-ms");
  if (text === null) return limits.timeoutMsDefault;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= limits.timeoutMsMax) return value;
  throw new ProaError(
    "INVALID_REQUEST",
    `Cannot read the request: X-Proa-Timeout-Ms is ${JSON.stringify(text)}, not an integer from 1 to ${limits.timeoutMsMax}`,
  );
}
