/** The routes about the node and its cluster: status, health, leadership. */
import { z } from "zod";
import { parseJson } from "../client/json.ts";
import { ProaError } from "../lib/errors.ts";
import type { TransferOutcome } from "../node/mod.ts";
import type { NodeId } from "../raft/mod.ts";
import { groupZero, remainingMs } from "./exchange.ts";
import type { Exchange, Handler } from "./exchange.ts";
import { hasLeft, otherEndpoints, transferError } from "./http_errors.ts";
import { patienceMs } from "./limits.ts";
import { forwardToLeader } from "./forwarding.ts";
import { jsonResponse } from "./responses.ts";
import { parseQuery } from "./target.ts";

/** `GET /api/status`. Never waits. */
export const getStatus: Handler = ({ context, target }) => {
  parseQuery(target.query, []);
  return jsonResponse(context.node, { status: 200 }, context.node.status(groupZero));
};

/** `GET /livez`. */
export const getLive: Handler = ({ context }) => jsonResponse(context.node, { status: 200 }, { ok: true });

/** `GET /readyz`: whether a linearizable request could be served now. */
export const getReady: Handler = ({ context }) => {
  const reasons = unreadyReasons(context);
  if (reasons.length === 0) return jsonResponse(context.node, { status: 200 }, { ok: true });
  const { node } = context;
  // Whoever has left never gets ready again: it says who may be.
  const elsewhere = node.view(groupZero).removed ? { elsewhere: otherEndpoints(node) } : {};
  const answer = { status: 503, headers: { "retry-after": "1" } };
  return jsonResponse(node, answer, { ok: false, reasons, ...elsewhere });
};

function unreadyReasons({ node, gateway }: Exchange["context"]): string[] {
  const { ready, leader, removed } = node.view(groupZero);
  if (gateway.isStopping) return ["this node is stopping"];
  if (removed) return [hasLeft];
  if (ready) return [];
  return [
    leader === null
      ? "no leader is known"
      : `nothing of the term of the leader, node ${leader}, is known to be committed yet`,
  ];
}

const showLeader = "proa leader show";

/** The body of `POST /v1/leader/transfer`. */
export const transferBody = z.strictObject({ to: z.int().positive().optional() });

/** `POST /v1/leader/transfer`. Only the leader can do it, so another node hands the request on. */
export const postTransfer: Handler = async (exchange) => {
  const { context, request, target, deadline } = exchange;
  parseQuery(target.query, []);
  const action = "transfer leadership";
  const bytes = await context.bodies.receive(request, {
    action,
    what: "the body",
    bytesMax: context.limits.jsonBytesMax,
    deadline,
  });
  const to = parseTransfer(bytes).to ?? null;
  const termBefore = context.node.view(groupZero).term;
  const startedAt = context.clock.now();
  const outcome = await transfer(exchange, to);
  if (outcome.kind === "notApplied" && outcome.reason === "notLeader") {
    const forwarded = await forwardToLeader(exchange, outcome.leader, {
      path: "/v1/leader/transfer",
      body: bytes,
      action,
    });
    if (forwarded !== null) return forwarded;
  }
  if (outcome.kind !== "transferred") throw transferError(outcome, context.node, to);
  return jsonResponse(
    context.node,
    { status: 200 },
    {
      from: context.node.id,
      to: outcome.leader,
      term_before: termBefore,
      term: outcome.term,
      elapsed_ms: Math.round(context.clock.now() - startedAt),
    },
  );
};

function parseTransfer(bytes: Uint8Array): z.infer<typeof transferBody> {
  const value = bytes.length === 0 ? {} : parseJson(bytes);
  if (value === undefined) throw badBody("it is not JSON");
  const parsed = transferBody.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join(".")}: ${message}`,
  );
  throw badBody(problems.join("; "));
}

function badBody(problem: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot transfer leadership: the body is invalid: ${problem}`, {
    hint: 'send {"to":2}, or {} for the most caught-up node',
  });
}

function transfer(exchange: Exchange, to: NodeId | null): Promise<TransferOutcome> {
  const { clock, node } = exchange.context;
  const timeoutMs = remainingMs(exchange);
  return new Promise((resolve, reject) => {
    const cancel = clock.at(clock.now() + patienceMs(timeoutMs), () => {
      reject(
        new ProaError("OUTCOME_UNKNOWN", `Cannot confirm the transfer: it was not done within ${timeoutMs} ms`, {
          hint: showLeader,
        }),
      );
    });
    node.transferLeader(groupZero, to, (outcome) => {
      cancel();
      resolve(outcome);
    });
  });
}
