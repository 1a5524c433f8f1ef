/** What the verbs of `proa wait` do: look, pause, look again. */
import { clientOf } from "../client.ts";
import { isAgreed, leaderOf } from "../cluster_view.ts";
import type { Context } from "../context.ts";
import { endpointsOf } from "../endpoints.ts";
import { survey } from "../survey.ts";
import { sleep } from "../../src/client/http_client.ts";
import { isRecord, parseJson } from "../../src/client/json.ts";
import { ProaError } from "../../src/lib/errors.ts";

export async function waitForLeader(context: Context): Promise<void> {
  const client = clientOf(context);
  const found = await poll(context, "a leader", async () => {
    const { reports, silent } = await survey(client, endpointsOf(context));
    const leader = leaderOf(reports);
    if (leader !== null && isAgreed(leader, reports)) return { done: { leader: leader.node_id, term: leader.term } };
    const views = reports.map(({ node_id, role, term }) => `node ${node_id}: ${role} in term ${term}`);
    return { seen: [...views, ...silent.map(({ endpoint, reason }) => `${endpoint}: ${reason}`)] };
  });
  context.output.confirmation(found, `leader ${found.leader}, term ${found.term}`);
}

export async function waitUntilReady(context: Context): Promise<void> {
  const client = clientOf(context);
  const found = await poll(context, "a node that is ready", async () => {
    const replies = await Promise.all(
      endpointsOf(context).map(async (endpoint) => {
        const result = await client.ask(endpoint, { method: "GET", path: "/readyz" }, patienceMs);
        if (result.kind === "failed") return { endpoint, ready: false, reason: result.reason };
        return { endpoint, ready: result.answer.status === 200, reason: reasonsOf(result.answer.body) };
      }),
    );
    const ready = replies.find((reply) => reply.ready);
    if (ready !== undefined) return { done: { ready: true, endpoint: ready.endpoint } };
    return { seen: replies.map(({ endpoint, reason }) => `${endpoint}: ${reason}`) };
  });
  context.output.confirmation(found, `ready ${found.endpoint}`);
}

export async function waitForMembers(ids: readonly number[], context: Context): Promise<void> {
  const client = clientOf(context);
  const found = await poll(context, `the voters ${ids.join(",")}`, async () => {
    const { reports, silent } = await survey(client, endpointsOf(context));
    const leader = leaderOf(reports);
    const { voters, outgoing } = leader?.members ?? { voters: [], outgoing: [] };
    if (outgoing.length === 0 && voters.join() === ids.join()) return { done: { voters } };
    const seen =
      leader === null
        ? []
        : [`node ${leader.node_id} leads ${voters.join(",")}, leaving ${outgoing.join(",") || "nobody"}`];
    return { seen: [...seen, ...silent.map(({ endpoint, reason }) => `${endpoint}: ${reason}`)] };
  });
  context.output.confirmation(found, `voters ${found.voters.join(",")}`);
}

/** How long one node may take to say whether it is ready, in milliseconds. */
const patienceMs = 1000;
/** The pauses between looks, in milliseconds: short at first, because most waits are short. */
const pauseMs = { first: 20, longest: 250 };

/** With less time left than this another look would only see nodes that had no time to answer. Milliseconds. */
const lookMsMin = 40;

type Look<T> = { readonly done: T } | { readonly seen: readonly string[] };

/** Looks until it is done. Throws WAIT_TIMEOUT at the deadline, with what was seen last. */
async function poll<T>(context: Context, awaited: string, look: () => Promise<Look<T>>): Promise<T> {
  for (let pause = pauseMs.first; ; pause = Math.min(2 * pause, pauseMs.longest)) {
    const result = await look();
    if ("done" in result) return result.done;
    const remainingMs = context.deadline - performance.now();
    if (remainingMs < lookMsMin) {
      throw new ProaError("WAIT_TIMEOUT", `Cannot wait longer for ${awaited}: the time is over`, {
        hint: "see proa cluster status, or wait longer with --timeout 1m",
        tried: result.seen,
      });
    }
    await sleep(Math.min(pause, remainingMs / 2));
  }
}

function reasonsOf(body: Uint8Array): string {
  const answer = parseJson(body);
  const reasons = isRecord(answer) && Array.isArray(answer["reasons"]) ? answer["reasons"].map(String) : [];
  return reasons.join(", ") || "not ready";
}
