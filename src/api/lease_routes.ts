/** The routes under /v1/leases: times that keys hang on (docs/http.md). */
import { isRecord, parseJson } from "../client/json.ts";
import { jsonBytes, percentEncode } from "../client/key_text.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { durationMs } from "../lib/duration.ts";
import { ProaError } from "../lib/errors.ts";
import {
  type CommandResult,
  type LeaseAnswer,
  type LeaseCommand,
  type LeaseView,
  type LeasesAnswer,
  leaseError,
  leaseNotFound,
  leasesPageMax,
  readGranted,
  readLeaseAnswer,
  readLeasesAnswer,
  writeLease,
  writeLeaseQuery,
  writeLeasesQuery,
} from "../wire/mod.ts";
import { type Exchange, type Handler, submit } from "./exchange.ts";
import { submitCommand } from "./once.ts";
import { jsonResponse } from "./responses.ts";
import { bytesParameter, integerParameter, parseQuery } from "./target.ts";

const bodyBytesMax = 64 * 1024;
const leasePath = /^\/v1\/leases\/([^/]*)(\/keep-alive)?$/;

/** Whether `path` names one lease. */
export function isLeasePath(path: string): boolean {
  return leasePath.exec(path)?.[2] === undefined && leasePath.test(path);
}

/** Whether `path` asks for one lease to be renewed. */
export function isKeepAlivePath(path: string): boolean {
  return leasePath.exec(path)?.[2] !== undefined;
}

/** `POST /v1/leases`. */
export const postLeases: Handler = async (exchange) => {
  const { context, request, target, deadline } = exchange;
  parseQuery(target.query, []);
  const wanted = { action: "grant a lease", what: "the body", bytesMax: bodyBytesMax, deadline };
  const command = grantOf(parseJson(await context.bodies.receive(request, wanted)));
  const result = await run(exchange, "grant a lease", command);
  return granted(exchange, result);
};

/** `POST /v1/leases/{id}/keep-alive`. */
export const postKeepAlive: Handler = async (exchange) => {
  parseQuery(exchange.target.query, []);
  const id = idInPath(exchange);
  return granted(exchange, await run(exchange, `renew lease ${id}`, { kind: "renew", id }));
};

/** `DELETE /v1/leases/{id}`. */
export const deleteLease: Handler = async (exchange) => {
  parseQuery(exchange.target.query, []);
  const id = idInPath(exchange);
  const { revision, changed } = await run(exchange, `revoke lease ${id}`, { kind: "revoke", id });
  return jsonResponse(exchange.context.node, { status: 200 }, { revision, deleted: changed });
};

/** `GET /v1/leases`. */
export const getLeases: Handler = async (exchange) => {
  const query = parseQuery(exchange.target.query, ["after", "limit"]);
  const after = integerParameter(query, "after", Number.MAX_SAFE_INTEGER) ?? 0;
  const limit = integerParameter(query, "limit", leasesPageMax) ?? leasesPageMax;
  const writer = new ByteWriter();
  writeLeasesQuery(writer, { after, limit });
  const page = await submit(exchange, read(writer), (answer) => leasesJson(readLeasesAnswer(answer)));
  return jsonResponse(exchange.context.node, { status: 200 }, page);
};

/** `GET /v1/leases/{id}`. */
export const getLease: Handler = async (exchange) => {
  const query = parseQuery(exchange.target.query, ["start", "limit"]);
  const id = idInPath(exchange);
  const start = bytesParameter(query, "start") ?? new Uint8Array(0);
  const limit = integerParameter(query, "limit", leasesPageMax) ?? leasesPageMax;
  const writer = new ByteWriter();
  writeLeaseQuery(writer, { id, limit, start });
  const page = await submit(exchange, read(writer), (answer) => leaseJson(readLeaseAnswer(answer)));
  if (page === null) throw leaseNotFound(`show lease ${id}`, id);
  return jsonResponse(exchange.context.node, { status: 200 }, page);
};

/** The time to live in a request. Throws INVALID_REQUEST where it is no duration; the command checks its bounds. */
export function ttlOfText(action: string, text: string): number {
  const ttlMs = durationMs(text);
  if (ttlMs !== null && Number.isSafeInteger(ttlMs)) return ttlMs;
  throw new ProaError("INVALID_REQUEST", `Cannot ${action}: ttl is ${JSON.stringify(text)}, not a duration`, {
    hint: "for example 30s, 5m, 12h or 7d",
  });
}

function grantOf(body: unknown): LeaseCommand {
  if (!isRecord(body)) throw invalid("the body is not a JSON object");
  const unknown = Object.keys(body).find((name) => name !== "ttl" && name !== "id");
  if (unknown !== undefined) throw invalid(`there is no field ${JSON.stringify(unknown)}`);
  const { ttl, id = 0 } = body;
  if (typeof ttl !== "string") throw invalid("ttl is not a text such as 30s");
  const isId = typeof id === "number" && Number.isSafeInteger(id) && (id > 0 || body["id"] === undefined);
  if (!isId) throw invalid(`id is ${JSON.stringify(id)}, not a whole number from 1`);
  return { kind: "grant", id, ttlMs: ttlOfText("grant a lease", ttl) };
}

async function run(exchange: Exchange, action: string, command: LeaseCommand): Promise<CommandResult> {
  const writer = new ByteWriter();
  writeLease(writer, command);
  const result = await submitCommand(exchange, writer.peek());
  const error = leaseError(action, result);
  if (error !== null) throw error;
  return result;
}

function granted({ context }: Exchange, result: CommandResult): Response {
  const { id, ttlMs } = readGranted(result);
  return jsonResponse(context.node, { status: 200 }, { id, ttl_ms: ttlMs, revision: result.revision });
}

function read(writer: ByteWriter): Parameters<typeof submit>[1] {
  return { kind: "read", consistency: "linearizable", count: 1, body: writer.peek() };
}

function idInPath({ target }: Exchange): number {
  const text = leasePath.exec(target.path)?.[1] ?? "";
  const id = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  if (id > 0 && Number.isSafeInteger(id)) return id;
  throw new ProaError("INVALID_REQUEST", `Cannot read the request: ${JSON.stringify(text)} is not the id of a lease`, {
    hint: "ids are whole numbers from 1: GET /v1/leases lists them",
  });
}

function leasesJson({ revision, count, leases, more }: LeasesAnswer): Record<string, unknown> {
  const last = leases.at(-1);
  return {
    revision,
    count,
    leases: leases.map(viewJson),
    more,
    ...(more && last !== undefined && { next: last.granted }),
  };
}

/** Copies everything it needs. */
function leaseJson({ revision, lease, keys, more }: LeaseAnswer): Record<string, unknown> | null {
  const last = keys.at(-1);
  if (lease === null) return null;
  return {
    revision,
    ...viewJson(lease),
    keys: keys.map((key) => jsonBytes("key", key)),
    more,
    ...(more && last !== undefined && { next: percentEncode(new Uint8Array([...last, 0])) }),
  };
}

function viewJson({ id, ttlMs, remainingMs, bound, keyCount }: LeaseView): Record<string, unknown> {
  return { id, ttl_ms: ttlMs, remaining_ms: remainingMs, bound, key_count: keyCount };
}

function invalid(reason: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot grant a lease: ${reason}`, {
    hint: 'for example {"ttl":"30s"}; with "id":7 the lease has that id, else the store chooses one',
  });
}
