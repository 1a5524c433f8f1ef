/** What the verbs do that say who belongs to the cluster. */
import { clientOf } from "../client.ts";
import { InvalidValueError } from "../command.ts";
import type { Context } from "../context.ts";
import { idList } from "../parsers.ts";
import { table } from "../table.ts";
import { isRecord, parseJson } from "../../src/client/json.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { formatHostPort, parseServers } from "../../src/local/server_list.ts";

interface PlanOption {
  readonly plan: boolean;
}

/** What a node answers to `GET /v1/members`. */
interface MembersReport {
  readonly leader: number | null;
  readonly voters: readonly number[];
  readonly outgoing: readonly number[];
  readonly learners: readonly number[];
  readonly servers: readonly { readonly id: number; readonly replicate: string; readonly service: string }[];
}

/** A configuration before or after a change. */
interface Sides {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
}

interface Change {
  readonly changed: boolean;
  readonly before: Sides;
  readonly after: Sides;
}

export async function members(context: Context): Promise<void> {
  const answer = await clientOf(context).read({ method: "GET", path: "/v1/members", doing: "show the members" });
  const report = parseJson(answer.body) as MembersReport; // our own node's, whose form is a contract
  context.output.result(report, () => membersText(report));
}

function membersText({ leader, voters, outgoing, learners, servers }: MembersReport): string {
  const ids = [...new Set([...voters, ...outgoing, ...learners])].sort((a, b) => a - b);
  const rows = ids.map((id) => {
    const server = servers.find((other) => other.id === id);
    const role = voters.includes(id) ? "voter" : outgoing.includes(id) ? "leaving" : "learner";
    return [String(id), role, server?.replicate ?? "–", server?.service ?? "–", id === leader ? "leader" : ""];
  });
  const columns = [{ title: "NODE" }, { title: "ROLE" }, { title: "REPLICATE" }, { title: "SERVICE" }, { title: "" }];
  return table(columns, rows);
}

export async function add(
  { id, address, service }: { readonly id: number; readonly address: string; readonly service: string | undefined },
  { learner, plan }: PlanOption & { readonly learner: boolean },
  context: Context,
): Promise<void> {
  const [server] = parseServers([String(id), address, ...(service === undefined ? [] : [service])].join(","));
  if (server === undefined) throw new ProaError("INTERNAL", "Cannot read one address as one");
  const add = { id, replicate: formatHostPort(server.replicate), service: formatHostPort(server.service) };
  if (await isLearner(id, context)) {
    if (learner || plan)
      return say(context, { changed: false, ...(await unchanged(context)) }, `node ${String(id)} is a learner already`);
  } else {
    const added = await post({ add, plan }, `add node ${String(id)}`, context);
    if (plan) return showPlan(added, context);
    if (learner) return say(context, added, `node ${String(id)} added as a learner`);
  }
  const promoted = await post({ promote: id }, `promote node ${String(id)}`, context).catch((error: unknown) => {
    throw error instanceof ProaError && error.applied === "no" ? stillLearner(id, error) : error;
  });
  say(context, promoted, `node ${String(id)} votes   ${quorums(promoted)}`);
}

/** What was asked for has happened by half. */
function stillLearner(id: number, { code, message, tried }: ProaError): ProaError {
  const why = code === "NOT_CAUGHT_UP" ? "it is not up, or has not caught up" : message;
  return new ProaError(code, `Cannot promote node ${String(id)} yet, which is a learner now: ${why}`, {
    hint: `start it with proa node start --id ${String(id)} --join ENDPOINTS --data DIR, then: proa cluster promote ${String(id)} --timeout 1m`,
    applied: "yes",
    tried,
  });
}

export async function promote(id: number, { plan }: PlanOption, context: Context): Promise<void> {
  const change = await post({ promote: id, plan }, `promote node ${String(id)}`, context);
  if (plan) showPlan(change, context);
  else say(context, change, `node ${String(id)} votes   ${quorums(change)}`);
}

export async function remove(id: number, { plan }: PlanOption, context: Context): Promise<void> {
  const change = await post({ remove: id, plan }, `remove node ${String(id)}`, context);
  if (plan) showPlan(change, context);
  else say(context, change, `node ${String(id)} removed for good   ${quorums(change)}`);
}

export async function setVoters(ids: string, { plan }: PlanOption, context: Context): Promise<void> {
  const change = await post({ set: votersIn(ids), plan }, `set the voters ${ids}`, context);
  if (plan) showPlan(change, context);
  else say(context, change, quorums(change));
}

function votersIn(ids: string): readonly number[] {
  try {
    return idList(ids);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new ProaError("USAGE", `Cannot set the voters ${ids}: ${error.message}`, {
      hint: "name each voter once: proa cluster set 1,2,4",
    });
  }
}

async function isLearner(id: number, context: Context): Promise<boolean> {
  return (await unchanged(context)).before.learners.includes(id);
}

async function unchanged(context: Context): Promise<Pick<Change, "before" | "after">> {
  const answer = await clientOf(context).read({ method: "GET", path: "/v1/members", doing: "look at the members" });
  const { voters, learners } = parseJson(answer.body) as MembersReport; // our own node's, whose form is a contract
  return { before: { voters, learners }, after: { voters, learners } };
}

async function post(body: object, doing: string, context: Context): Promise<Change> {
  const answer = await clientOf(context).write({
    method: "POST",
    path: "/v1/members",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    doing,
  });
  const change = parseJson(answer.body);
  if (!isRecord(change))
    throw new ProaError("INTERNAL", `Cannot read the answer of ${answer.endpoint}`, { applied: "yes" });
  return change as unknown as Change; // our own node's, whose form is a contract
}

function say(context: Context, change: Change, human: string): void {
  context.output.confirmation(change, human);
}

function showPlan(change: Change, context: Context): void {
  context.output.result(change, () => `would change   ${quorums(change)}\n`);
}

/** `voters 1,2,3 → 1,2,3,4   quorum 2/3 → 3/4   learners 4 → none`. */
function quorums({ before, after }: Change): string {
  const ids = (list: readonly number[]): string => (list.length === 0 ? "none" : list.join(","));
  const quorum = ({ voters }: Sides): string => `${String(Math.floor(voters.length / 2) + 1)}/${String(voters.length)}`;
  const parts = [`voters ${ids(before.voters)} → ${ids(after.voters)}`, `quorum ${quorum(before)} → ${quorum(after)}`];
  if (ids(before.learners) !== ids(after.learners))
    parts.push(`learners ${ids(before.learners)} → ${ids(after.learners)}`);
  return parts.join("   ");
}
