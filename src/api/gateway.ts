/**
 * Takes a request to where it can run: this node, or the leader. Holds it while nobody leads, within limits, and tries
 * again only what has definitely not happened, so that nothing runs twice (rules C2 and C4).
 */
import { Deadlines } from "../client/deadlines.ts";
import type { RpcOutcome } from "../client/rpc_connection.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import type { Clock, NodeService, ReadOutcome, Refusal, RefusalReason, WriteOutcome } from "../node/mod.ts";
import type { Index, NodeId } from "../raft/mod.ts";
import { readResult } from "../wire/mod.ts";
import type { RpcRequest } from "../wire/mod.ts";
import { LeaderConnections } from "./leader_connections.ts";
import { heldError, readTimeoutError, refusalError, unknownError } from "./http_errors.ts";
import type { HeldReason } from "./http_errors.ts";
import { patienceMs } from "./limits.ts";
import type { ServiceLimits } from "./limits.ts";

/** A batch of commands or queries that was checked. The gateway owns its bytes. */
export type ServiceRequest = Omit<RpcRequest, "requestId" | "kind"> & { readonly kind: "write" | "read" };

/** The end of a request, whichever way it took. */
export type ServiceOutcome =
  /** `body` holds a result or an answer for each command or query, and is valid only during the call. */
  | { readonly kind: "done"; readonly body: Uint8Array; readonly appliedIndex: Index }
  | { readonly kind: "failed"; readonly error: ProaError };

export interface GatewayOptions {
  readonly node: NodeService;
  readonly clock: Clock;
  readonly limits: ServiceLimits;
}

interface Pending {
  readonly request: ServiceRequest;
  readonly done: (outcome: ServiceOutcome) => void;
  readonly deadline: number;
  /** Who has to act next: this node, a change of leader, or the leader; or nobody any more. */
  phase: "asked" | "held" | "forwarded" | "ended";
  heldReason: HeldReason;
  /** Whether it counts in what this node holds. */
  counted: boolean;
}

const noReason: HeldReason = { kind: "refused", reason: "noLeader" };

export class Gateway {
  private readonly options: GatewayOptions;
  private readonly connections: LeaderConnections;
  private readonly deadlines: Deadlines<Pending>;
  private readonly stopListening: () => void;
  /** In the order of their arrival. */
  private readonly held = new Set<Pending>();
  private countedRequests = 0;
  private countedBytes = 0;
  private cancelRetryTimer: (() => void) | null = null;
  private retryDeferred = false;
  private stopping = false;

  constructor(options: GatewayOptions) {
    this.options = options;
    this.connections = new LeaderConnections(options.node, options.clock);
    this.deadlines = new Deadlines(options.clock, (pending) => {
      this.onExpired(pending);
    });
    this.stopListening = options.node.onChange(() => {
      this.deferRetry();
    });
  }

  /** `done` is called exactly once, perhaps before this returns, within the time that the request names. */
  submit(request: ServiceRequest, done: (outcome: ServiceOutcome) => void): void {
    const deadline = this.options.clock.now() + patienceMs(request.timeoutMs);
    const pending: Pending = { request, done, deadline, phase: "asked", heldReason: noReason, counted: false };
    this.deadlines.add(pending);
    if (this.stopping) this.refuse(pending, "stopping", null);
    else this.ask(pending);
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  /** Ends every request: what was proposed or forwarded as unknown, the rest as not applied. */
  stop(): void {
    this.stopping = true;
    this.stopListening();
    this.cancelRetryTimer?.();
    this.connections.close();
    for (const pending of this.deadlines.clear()) {
      const mayBeProposed = pending.phase === "asked" && pending.request.kind === "write";
      if (mayBeProposed) this.fail(pending, unknownError({ kind: "stopping" }));
      else this.refuse(pending, "stopping", null);
    }
  }

  private ask(pending: Pending): void {
    const { group, kind, body, count, consistency, inFrame } = pending.request;
    const { node } = this.options;
    pending.phase = "asked";
    if (kind === "write") {
      node.write(group, { commands: body, count, owned: inFrame === true }, (outcome) => {
        this.onWritten(pending, outcome);
      });
    } else {
      node.read(group, { queries: body, count, consistency }, (outcome) => {
        this.onRead(pending, outcome);
      });
    }
  }

  private onWritten(pending: Pending, outcome: WriteOutcome): void {
    if (pending.phase !== "asked") return; // its time was up
    switch (outcome.kind) {
      case "applied":
        this.end(pending, { kind: "done", body: outcome.results, appliedIndex: outcome.index });
        return;
      case "notApplied":
        this.onRefused(pending, outcome);
        return;
      case "unknown":
        this.fail(pending, unknownError({ kind: outcome.reason }));
    }
  }

  private onRead(pending: Pending, outcome: ReadOutcome): void {
    if (pending.phase !== "asked") return; // its time was up
    if (outcome.kind === "answered") {
      this.end(pending, { kind: "done", body: outcome.answers, appliedIndex: outcome.appliedIndex });
    } else {
      this.onRefused(pending, outcome);
    }
  }

  /** It has not happened, so it may be handed on, held, or given back. */
  private onRefused(pending: Pending, { reason, leader }: Refusal): void {
    if (reason === "overloaded" || reason === "stopping" || reason === "removed") this.refuse(pending, reason, leader);
    else if (reason === "notLeader" && leader !== null && leader !== this.options.node.id)
      this.forward(pending, leader);
    else this.hold(pending, { kind: "refused", reason });
  }

  private forward(pending: Pending, leader: NodeId): void {
    const { clock, limits } = this.options;
    const { request } = pending;
    const remainingMs = Math.floor(pending.deadline - clock.now());
    if (request.hops >= limits.hopsMax) return this.fail(pending, tooManyHops(request.hops));
    if (remainingMs < 1 || !this.count(pending)) return this.hold(pending, pending.heldReason);
    pending.phase = "forwarded";
    this.deadlines.delete(pending); // the connection keeps the time from here on: it knows whether the request has left
    this.connections.forward(leader, { ...request, hops: request.hops + 1, timeoutMs: remainingMs }, (outcome) => {
      this.onForwarded(pending, leader, outcome);
    });
  }

  private onForwarded(pending: Pending, leader: NodeId, outcome: RpcOutcome): void {
    switch (outcome.kind) {
      case "done": {
        const { body, appliedIndex } = outcome.response;
        if (isWhole(pending.request, body)) this.end(pending, { kind: "done", body, appliedIndex });
        else this.onLost(pending, leader, "its answer is damaged");
        return;
      }
      case "lost":
        this.onLost(pending, leader, outcome.reason);
        return;
      case "notSent":
        this.deadlines.add(pending);
        this.hold(pending, { kind: "unreachable", leader, why: outcome.reason });
        return;
      case "refused": {
        const { response, error } = outcome;
        if (response.status === "unknown" && error.applied === "no") {
          return this.onLost(pending, leader, "its answer contradicts itself");
        }
        const reason = response.status === "notApplied" ? reasonToHold(error) : null;
        if (reason === null) return this.fail(pending, error);
        this.deadlines.add(pending);
        this.hold(pending, { kind: "refused", reason });
      }
    }
  }

  /** The leader has it and does not say what became of it: a read is asked again, a write never. */
  private onLost(pending: Pending, leader: NodeId, why: string): void {
    if (pending.request.kind === "write") return this.fail(pending, unknownError({ kind: "connection", leader, why }));
    this.deadlines.add(pending);
    this.hold(pending, { kind: "unreachable", leader, why });
  }

  /** Keeps a request until the next change. Only the node that was asked first waits: the others give it back at once. */
  private hold(pending: Pending, reason: HeldReason): void {
    pending.heldReason = reason;
    const refusal = reason.kind === "refused" ? reason.reason : "noLeader";
    if (this.stopping) return this.refuse(pending, "stopping", null);
    if (pending.request.hops > 0) return this.refuse(pending, refusal, null);
    if (!this.count(pending)) return this.refuse(pending, "overloaded", null);
    pending.phase = "held";
    this.held.add(pending);
    this.cancelRetryTimer ??= this.options.clock.at(this.options.clock.now() + this.options.limits.retryMs, () => {
      this.cancelRetryTimer = null;
      this.retry();
    });
  }

  /** Later, because the node may be in the middle of the change that it announces. */
  private deferRetry(): void {
    if (this.retryDeferred || this.held.size === 0) return;
    this.retryDeferred = true;
    this.options.clock.defer(() => {
      this.retryDeferred = false;
      this.retry();
    });
  }

  private retry(): void {
    const held = [...this.held];
    this.held.clear();
    for (const pending of held) {
      if (pending.phase === "held") this.ask(pending);
    }
  }

  private onExpired(pending: Pending): void {
    const { node } = this.options;
    const { kind, timeoutMs, group } = pending.request;
    if (pending.phase === "held") this.fail(pending, heldError(kind, pending.heldReason, timeoutMs));
    else if (kind === "write") this.fail(pending, unknownError({ kind: "timeout", timeoutMs }));
    else {
      const { leader } = node.view(group);
      this.fail(pending, readTimeoutError({ id: leader, isSelf: leader === node.id }, timeoutMs));
    }
  }

  /** Whether there is room to keep the request here. */
  private count(pending: Pending): boolean {
    if (pending.counted) return true;
    const { heldRequestsMax, heldBytesMax } = this.options.limits;
    const bytes = this.countedBytes + pending.request.body.length;
    if (this.countedRequests >= heldRequestsMax || bytes > heldBytesMax) return false;
    pending.counted = true;
    this.countedRequests++;
    this.countedBytes = bytes;
    return true;
  }

  private refuse(pending: Pending, reason: RefusalReason, leader: NodeId | null): void {
    this.fail(pending, refusalError(pending.request.kind, { reason, leader }, this.options.node));
  }

  private fail(pending: Pending, error: ProaError): void {
    this.end(pending, { kind: "failed", error });
  }

  private end(pending: Pending, outcome: ServiceOutcome): void {
    if (pending.phase === "held") this.held.delete(pending);
    if (pending.counted) {
      this.countedRequests--;
      this.countedBytes -= pending.request.body.length;
    }
    pending.phase = "ended";
    this.deadlines.delete(pending);
    pending.done(outcome);
  }
}

/** Whether `body`, which another node sent, holds a result or an answer for all that was asked, and nothing else. */
function isWhole({ kind, count }: ServiceRequest, body: Uint8Array): boolean {
  try {
    const reader = new ByteReader(body);
    for (let i = 0; i < count; i++) {
      if (kind === "write") readResult(reader);
      else reader.skip(reader.u32());
    }
    return reader.remaining === 0;
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    return false;
  }
}

/** Whether what the leader answered means only that it does not lead, so that another try may find who does. */
function reasonToHold(error: ProaError): RefusalReason | null {
  switch (error.code) {
    case "NOT_LEADER":
    case "NO_LEADER":
    case "TOO_MANY_HOPS":
    case "STOPPING":
    case "REMOVED":
      return "noLeader";
    case "TRANSFERRING":
      return "transferring";
    default:
      return null;
  }
}

function tooManyHops(hops: number): ProaError {
  return new ProaError(
    "TOO_MANY_HOPS",
    `Cannot ask the leader: ${hops} nodes handed the request on and none of them leads`,
    {
      hint: "a leader was just elected or lost: try again",
    },
  );
}
