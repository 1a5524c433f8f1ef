/**
 * The frames on the WebSocket `/rpc`: one request or response each, matched by a number that the client chose. The
 * body is written right behind its header and handed over as a view: it is never copied here.
 *
 *     request    u8 version, u8 kind, u8 consistency, u8 hops, u32 requestId, u32 group, u32 timeoutMs, u32 count, commands or queries
 *     response   u8 version, u8 status, u16 0, u32 requestId, u32 leader, u53 term, u53 revision, u53 appliedIndex,
 *                results or answers; unless the status is ok, the error as JSON
 *
 * The place of `requestId` never changes, whatever the version.
 */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { Applied, ErrorCode } from "../lib/errors.ts";
import { CorruptError, exitOfCode, ProaError } from "../lib/errors.ts";

/** The first byte of every frame. */
export const rpcVersion = 1;

export interface RpcRequestHeader {
  /**
   * `watch`: one query for changes, answered once there are any, and with none when the time is up. `status`: no body; what
   * `GET /api/status` says, as JSON, at once.
   */
  readonly kind: "write" | "read" | "watch" | "status";
  /** Of a read; a write is always linearizable, and the others see what the node has applied (`stale`). */
  readonly consistency: "linearizable" | "stale" | "lease";
  /** How many nodes have forwarded it already, at most 255. */
  readonly hops: number;
  /** Chosen by the client, unique among its requests in flight. */
  readonly requestId: number;
  readonly group: number;
  /** How long the node may wait for a leader or a quorum. */
  readonly timeoutMs: number;
  /** How many commands or queries the body claims to hold; the service port compares. */
  readonly count: number;
}

export interface RpcRequest extends RpcRequestHeader {
  /** A view: commands (command_codec) of a write, queries (query_codec) of a read, nobody has checked them. */
  readonly body: Uint8Array;
  /** Whether `body` lies behind its header in a frame that whoever decoded it owns: then nobody needs the bytes before it. */
  readonly inFrame?: boolean;
}

/**
 * - `ok`: done; one result or answer for each command or query.
 * - `notApplied`: refused, and will never take effect.
 * - `unknown`: it may or may not have taken effect.
 * - `invalid`: the request broke a rule, and had no effect.
 */
export type RpcStatus = "ok" | "notApplied" | "unknown" | "invalid";

export interface RpcResponseHeader {
  readonly status: RpcStatus;
  readonly requestId: number;
  /** The leader that the answering node knows; null: none. */
  readonly leader: number | null;
  readonly term: number;
  readonly revision: number;
  readonly appliedIndex: number;
}

export interface RpcResponse extends RpcResponseHeader {
  /** A view: results or answers back to back, or what {@link decodeError} reads. */
  readonly body: Uint8Array;
}

const kinds = ["", "write", "read", "watch", "status"] as const;
/** Their places are their numbers on the wire. */
const consistencies = ["linearizable", "stale", "lease"] as const;
const statuses = ["ok", "notApplied", "unknown", "invalid"] as const;

/** Appends the header of a request; the caller writes the body behind it, and nothing else. */
export function writeRequestHeader(
  writer: ByteWriter,
  requestId: number,
  header: Omit<RpcRequestHeader, "requestId">,
): void {
  assert(header.kind !== "write" || header.consistency === "linearizable", "a write is always linearizable");
  assert(header.hops >= 0 && header.hops <= 0xff, "hops out of range");
  writer.u8(rpcVersion);
  writer.u8(kinds.indexOf(header.kind));
  writer.u8(consistencies.indexOf(header.consistency));
  writer.u8(header.hops);
  writer.u32(requestId);
  writer.u32(header.group);
  writer.u32(header.timeoutMs);
  writer.u32(header.count);
}

/** Throws {@link CorruptError}; what {@link requestIdOf} reads may then tell whom to answer. */
export function decodeRequest(frame: Uint8Array): RpcRequest {
  const reader = new ByteReader(frame);
  readVersion(reader);
  const kind = kinds[reader.u8()];
  if (kind === undefined || kind === "") throw new CorruptError("a kind of request that is not known");
  const consistency = consistencies[reader.u8()];
  if (consistency === undefined) throw new CorruptError("a consistency that is not known");
  if (kind === "write" && consistency !== "linearizable") throw new CorruptError("a write that is not linearizable");
  return {
    kind,
    consistency,
    hops: reader.u8(),
    requestId: reader.u32(),
    group: reader.u32(),
    timeoutMs: reader.u32(),
    count: reader.u32(),
    body: reader.bytes(reader.remaining),
    inFrame: true,
  };
}

/** The id of the request or response in `frame`, even if the rest is broken or of another version; null: too short. */
export function requestIdOf(frame: Uint8Array): number | null {
  if (frame.length < 8) return null;
  const reader = new ByteReader(frame);
  reader.skip(4);
  return reader.u32();
}

/** Appends the header of a response; the caller writes the body behind it, and nothing else. */
export function writeResponseHeader(writer: ByteWriter, header: RpcResponseHeader): void {
  writer.u8(rpcVersion);
  writer.u8(statuses.indexOf(header.status));
  writer.u16(0);
  writer.u32(header.requestId);
  writer.u32(header.leader ?? 0);
  writer.u53(header.term);
  writer.u53(header.revision);
  writer.u53(header.appliedIndex);
}

/** Appends the body of a response whose status is not ok. */
export function writeError(writer: ByteWriter, error: ProaError): void {
  writer.text(JSON.stringify(error));
}

/** Throws {@link CorruptError}. */
export function decodeResponse(frame: Uint8Array): RpcResponse {
  const reader = new ByteReader(frame);
  readVersion(reader);
  const status = statuses[reader.u8()];
  if (status === undefined) throw new CorruptError("a status that is not known");
  if (reader.u16() !== 0) throw new CorruptError("reserved bits that are set");
  return {
    status,
    requestId: reader.u32(),
    leader: reader.u32() || null,
    term: reader.u53(),
    revision: reader.u53(),
    appliedIndex: reader.u53(),
    body: reader.bytes(reader.remaining),
  };
}

/**
 * The error in the body of a response, or of an HTTP answer: `{"error":{…}}`. A code that this version does not know
 * becomes INTERNAL and keeps its message. Throws {@link CorruptError} for anything else.
 */
export function decodeError(body: Uint8Array): ProaError {
  const error = field(parseJson(body), "error");
  const code = field(error, "code");
  const message = field(error, "message");
  if (typeof code !== "string" || typeof message !== "string")
    throw new CorruptError("an error without code or message");
  const hint = field(error, "hint");
  const tried = field(error, "tried");
  const revision = field(error, "revision");
  return new ProaError(isErrorCode(code) ? code : "INTERNAL", message, {
    applied: appliedOf(field(error, "applied")),
    ...(typeof hint === "string" && { hint }),
    ...(Array.isArray(tried) && { tried: tried.filter((line) => typeof line === "string") }),
    ...(typeof revision === "number" && { revision }),
  });
}

function readVersion(reader: ByteReader): void {
  const version = reader.u8();
  if (version !== rpcVersion) throw new CorruptError(`version ${version}, which is not known`);
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CorruptError("an error that is not JSON", { cause: error });
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) throw new CorruptError("an error that is not an object");
  return (value as Readonly<Record<string, unknown>>)[name];
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(exitOfCode, code);
}

/** Whoever does not say whether it took effect leaves it open. */
function appliedOf(value: unknown): Applied {
  return value === "no" || value === "yes" ? value : "unknown";
}
