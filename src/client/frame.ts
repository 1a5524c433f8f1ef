/** Calls of one kind on their way together: one frame on the connection, and one fate as long as they are not answered. */
import { assert } from "../lib/assert.ts";
import type { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import type { ProaError } from "../lib/errors.ts";
import { beginOnce, endOnce, writeOnce } from "../wire/mod.ts";
import type { RequestId } from "../wire/mod.ts";
import type { Route, RouteSeeker } from "./router.ts";

/** One command or query, before it is bytes. */
export interface Operation<T> {
  readonly kind: "write" | "read";
  /** Of a read; writes are linearizable. */
  readonly consistency: "linearizable" | "lease" | "stale";
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
  /** What it travels in; null while it is not part of a frame. */
  frame: Frame | null;
  /** Why the latest try failed. */
  refusal: ProaError | null;
}

/** A frame is closed once it holds so much: bigger ones gain nothing. Bytes. */
export const frameBytesMax = 256 * 1024;
/** The node takes no more queries than this in one frame. */
export const frameCallsMax = 1024;

/** How many of its losses a frame can tell about. */
const lossesToldMax = 8;

export class Frame implements RouteSeeker {
  readonly calls: Call[] = [];
  /** How often it was refused or lost. */
  tries = 0;
  /** Under which its writes can be sent again when nobody knows whether they took effect; null: they cannot. */
  id: RequestId | null = null;
  /** Each time that it was sent and may have taken effect: then only an answer to it can say more (rule C1). */
  readonly lost: string[] = [];
  /** Its commands, once somebody has stopped waiting who may use his bytes for something else. */
  private kept: Uint8Array | null = null;
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

  /** The latest of those who wait. */
  get deadline(): number {
    return this.calls.reduce((latest, call) => (call.phase === "ended" ? latest : Math.max(latest, call.deadline)), 0);
  }

  /** Whether anybody still waits for it. */
  get isWaiting(): boolean {
    return this.calls.some(({ phase }) => phase !== "ended");
  }

  /** Whether an earlier try may have taken effect. */
  get isUncertain(): boolean {
    return this.lost.length > 0;
  }

  hasRoomFor(bytes: number): boolean {
    return this.calls.length < frameCallsMax && this.bytes + bytes <= frameBytesMax;
  }

  add(call: Call): void {
    this.calls.push(call);
    this.bytes += call.flyingBytes;
    call.frame = this;
  }

  /** Before it is sent: what nobody waits for any more stays here, unless it may have been sent under this id before. */
  removeEnded(): void {
    if (this.isUncertain) return;
    this.kept = null;
    let kept = 0;
    for (const call of this.calls) if (call.phase !== "ended") this.calls[kept++] = call;
    if (kept < this.calls.length) this.id = null; // other commands, another id
    this.calls.length = kept;
  }

  /** Appends the body of the request, the same for each try under one id, and returns how many commands or queries it holds. */
  encode(writer: ByteWriter): number {
    const { id, kept, calls } = this;
    if (id !== null && kept !== null) {
      writeOnce(writer, { ...id, commands: kept });
      return 1;
    }
    const start = id === null ? null : beginOnce(writer, id);
    for (const { operation } of calls) operation.encode(writer);
    if (start === null) return calls.length;
    endOnce(writer, start);
    return 1;
  }

  /** Before a call of it ends without an answer: its bytes are copied, because its caller may change them from then on. */
  keepBytes(): void {
    if (this.id === null || this.kept !== null) return;
    const writer = new ByteWriter();
    for (const { operation } of this.calls) operation.encode(writer);
    this.kept = writer.take();
  }

  /** It was sent, and what came of it is not known. */
  addLoss(reason: string): void {
    if (this.lost.length < lossesToldMax) this.lost.push(reason);
  }

  onRoute(route: Route): void {
    this.send(this, route);
  }
}
