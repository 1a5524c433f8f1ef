/** Calls of one kind on their way together: one frame on the connection, and one fate as long as they are not answered. */
import { assert } from "../lib/assert.ts";
import type { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { ProaError } from "../lib/errors.ts";
import type { Route, RouteSeeker } from "./router.ts";

/** One command or query, before it is bytes. */
export interface Operation<T> {
  readonly kind: "write" | "read";
  /** Of a read; writes are linearizable. */
  readonly consistency: "linearizable" | "stale";
  /** What an error says could not be done, after "Cannot ": "put greeting". */
  readonly doing: string;
  /** About what it, or its answer, takes in a frame. */
  readonly bytes: number;
  /** Appends exactly one command or query; may be called again for another try. Throws a {@link ProaError} at once for what no node takes. */
  encode(writer: ByteWriter): void;
  /** Reads exactly one result or answer, keeping no view. Throws a `CorruptError`. */
  decode(reader: ByteReader): T;
}

/** An operation and who waits for it. */
export interface Call {
  readonly operation: Operation<unknown>;
  readonly deadline: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Stops listening to the signal; null without one. */
  readonly release: (() => void) | null;
  /** `waiting` has not left, `sent` may be known to a node, `ended` is settled. */
  phase: "waiting" | "sent" | "ended";
  /** What it counts for in what is under way; 0 while it is not part of a frame. */
  flyingBytes: number;
  /** Why the latest try failed. */
  refusal: ProaError | null;
}

/** A frame is closed once it holds so much: bigger ones gain nothing. Bytes. */
export const frameBytesMax = 256 * 1024;
/** The node takes no more queries than this in one frame. */
export const frameCallsMax = 1024;

export class Frame implements RouteSeeker {
  readonly calls: Call[] = [];
  /** How often it was refused. */
  tries = 0;
  private bytes = 0;
  private readonly send: (frame: Frame, route: Route) => void;

  /** `send` is called with each route that is found for it. */
  constructor(send: (frame: Frame, route: Route) => void) {
    this.send = send;
  }

  /** All calls of a frame are of the same kind and consistency as the first. */
  get first(): Operation<unknown> {
    const call = this.calls[0];
    assert(call !== undefined, "a frame holds at least one call");
    return call.operation;
  }

  /** The latest of its calls'. */
  get deadline(): number {
    return this.calls.reduce((latest, { deadline }) => Math.max(latest, deadline), 0);
  }

  /** Whether anybody still waits for it. */
  get isWaiting(): boolean {
    return this.calls.some(({ phase }) => phase !== "ended");
  }

  hasRoomFor(bytes: number): boolean {
    return this.calls.length < frameCallsMax && this.bytes + bytes <= frameBytesMax;
  }

  add(call: Call): void {
    this.calls.push(call);
    this.bytes += call.flyingBytes;
  }

  /** Before it is sent: what nobody waits for any more stays here. */
  removeEnded(): void {
    let kept = 0;
    for (const call of this.calls) if (call.phase !== "ended") this.calls[kept++] = call;
    this.calls.length = kept;
  }

  onRoute(route: Route): void {
    this.send(this, route);
  }
}
