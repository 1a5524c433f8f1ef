/** The routes about who belongs to the cluster. */
import { z } from "zod";
import { parseJson } from "../client/json.ts";
import { ProaError } from "../lib/errors.ts";
import type { MembershipOutcome, MembershipRequest } from "../node/mod.ts";
import type { Membership } from "../raft/mod.ts";
import { groupZero, remainingMs } from "./exchange.ts";
import type { Exchange, Handler } from "./exchange.ts";
import { forwardToLeader } from "./forwarding.ts";
import { hasLeft, otherEndpoints } from "./http_errors.ts";
import { patienceMs } from "./limits.ts";
import { membershipError } from "./membership_errors.ts";
import { jsonResponse } from "./responses.ts";
import { parseQuery } from "./target.ts";

const action = "change the members";
const id = z.int().positive().max(0xffff_ffff);
const address = z.string().regex(/^(\[[0-9A-Fa-f:.]+\]|[^:[\]\s,;]{1,253}):[0-9]{1,5}$/, "expected host:port");
const plan = z.boolean().optional();

/** The body of `POST /v1/members`. */
export const changeBody = z.union([
  z.strictObject({ add: z.strictObject({ id, replicate: address, service: address }), plan }),
  z.strictObject({ promote: id, plan }),
  z.strictObject({ remove: id, plan }),
  z.strictObject({ set: z.array(id).min(1).max(64), plan }),
]);

/** `GET /v1/members`: as this node knows them; one that has left knows nothing any more. Never waits. */
export const getMembers: Handler = ({ context, target }) => {
  parseQuery(target.query, []);
  const { members, servers, leader, removed } = context.node.status(groupZero);
  if (removed) {
    const hint = `ask ${otherEndpoints(context.node).join(",")}`;
    throw new ProaError("REMOVED", `Cannot show the members: ${hasLeft}`, { hint });
  }
  return jsonResponse(context.node, { status: 200 }, { leader, ...members, servers });
};

/** `POST /v1/members`. Answers once the change is committed, or with what it would be. Only the leader can, so another node hands it on. */
export const postMembers: Handler = async (exchange) => {
  const { context, request, target, deadline } = exchange;
  parseQuery(target.query, []);
  const bytesMax = context.limits.jsonBytesMax;
  const body = await context.bodies.receive(request, { action, what: "the body", bytesMax, deadline });
  const wish = parseChange(body);
  const outcome = await change(exchange, wish);
  if (outcome.kind === "notApplied" && outcome.reason === "notLeader") {
    const forwarded = await forwardToLeader(exchange, outcome.leader, { path: "/v1/members", body, action });
    if (forwarded !== null) return forwarded;
  }
  if (outcome.kind !== "changed" && outcome.kind !== "planned") throw membershipError(outcome, context.node);
  const { before, after } = outcome;
  return jsonResponse(
    context.node,
    { status: 200 },
    { changed: outcome.kind === "changed", before: shown(before), after: shown(after) },
  );
};

function shown({ voters, learners }: Membership): {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
} {
  return { voters, learners };
}

interface Wish {
  readonly request: MembershipRequest;
  readonly plan: boolean;
}

function parseChange(bytes: Uint8Array): Wish {
  const parsed = changeBody.safeParse(parseJson(bytes));
  if (!parsed.success) throw badBody();
  const { data } = parsed;
  const plan = data.plan ?? false;
  if ("add" in data) return { plan, request: { kind: "add", server: data.add } };
  if ("promote" in data) return { plan, request: { kind: "promote", id: data.promote } };
  if ("remove" in data) return { plan, request: { kind: "remove", id: data.remove } };
  return { plan, request: { kind: "set", voters: [...new Set(data.set)] } };
}

function badBody(): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot ${action}: the body is none of the changes that there are`, {
    hint: 'send one of {"add":{"id":4,"replicate":"host:4004","service":"host:5004"}}, {"promote":4}, {"remove":3}, {"set":[1,2,4]}, each with "plan":true to only see what it would do',
  });
}

function change(exchange: Exchange, { request, plan }: Wish): Promise<MembershipOutcome> {
  const { clock, node } = exchange.context;
  const timeoutMs = remainingMs(exchange);
  return new Promise((resolve, reject) => {
    const cancel = clock.at(clock.now() + patienceMs(timeoutMs), () => {
      reject(
        new ProaError(
          "OUTCOME_UNKNOWN",
          `Cannot confirm the change of members: it was not done within ${timeoutMs} ms`,
          {
            hint: "it goes on: see proa cluster members",
          },
        ),
      );
    });
    node.changeMembership(groupZero, request, { plan }, (outcome) => {
      cancel();
      resolve(outcome);
    });
  });
}
