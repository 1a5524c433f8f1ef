/**
 * A client of the service ports that knows when a request may be repeated. A read is asked of one endpoint after another
 * until the deadline. A write goes only to a node that says it is ready, and again only where a node says that it was not
 * applied: once its outcome is unknown, so is the answer (rule C2), unless it has an id by which nodes know it again (rule C1).
 */
import { ProaError } from "../lib/errors.ts";
import { exchange } from "./http_exchange.ts";
import type { Exchange, HttpAnswer, HttpRequest } from "./http_exchange.ts";
import { isRecord, parseJson } from "./json.ts";
import { parseServerError } from "./server_error.ts";

export interface HttpClientOptions {
  /** At least one, as `host:port`, in the order in which they are asked. */
  readonly endpoints: readonly string[];
  /** When to give up, on the clock of `performance.now()`. */
  readonly deadline: number;
  /** Told of every exchange, one line each. */
  readonly trace: (line: string) => void;
}

export interface ClientRequest extends HttpRequest {
  /** What an error says could not be done, after "Cannot ": "put greeting". */
  readonly doing: string;
  /** A write that may be sent again when nobody knows whether it took effect: under this id, or one that is made. */
  readonly once?: { readonly id: string | undefined };
}

/** A write that may be sent again. */
interface Repeatable {
  /** Null until a node told an index to begin with. */
  id: string | null;
  /** Each time that it was sent without an answer. */
  readonly lost: string[];
}

/** How long one endpoint may keep a read from the others, in milliseconds; doubles with each round. */
const readShareMs = 1000;
/** How long one endpoint may take to say whether it is ready, in milliseconds; doubles with each round. */
const probeShareMs = 500;
/** The pauses between rounds, in milliseconds: an election takes a few of them. */
const pauseMs = { first: 50, longest: 400 };
/** What is left of the deadline for an answer to travel, at most, in milliseconds. */
const marginMsMax = 50;

/** With less time left than this a write is not sent any more: its outcome would be unknown. Milliseconds. */
const sendMsMin = 2;

/** What one endpoint said, when it was not the answer. */
interface Setback {
  readonly reason: string;
  /** Whether nobody was there: the connection was refused, or the host is not known. */
  readonly nobody: boolean;
  /** Why a node refused; null where it did not answer. */
  readonly refusal: ProaError | null;
}

type Attempt = { readonly kind: "answered"; readonly answer: HttpAnswer } | ({ readonly kind: "setback" } & Setback);

export class HttpClient {
  private readonly options: HttpClientOptions;

  constructor(options: HttpClientOptions) {
    this.options = options;
  }

  /** The successful answer to a request that changes nothing. Throws the server's error, or exit 3 at the deadline. */
  read(request: ClientRequest): Promise<HttpAnswer> {
    return this.tryEndpoints(
      readShareMs,
      (endpoint, shareMs) => this.tryRead(endpoint, request, shareMs),
      (setbacks) => giveUp(request, setbacks),
    );
  }

  /** The successful answer to a request that changes something. Throws as {@link read}, and OUTCOME_UNKNOWN. */
  write(request: ClientRequest): Promise<HttpAnswer> {
    const once = request.once === undefined ? null : { id: request.once.id ?? null, lost: [] };
    return this.tryEndpoints(
      probeShareMs,
      (endpoint, shareMs) => this.tryWrite(endpoint, request, { shareMs, once }),
      (setbacks) => (isLost(once) ? unknownOutcome(request, once.lost, once) : giveUp(request, setbacks)),
    );
  }

  /** Asks one endpoint once. */
  async ask(endpoint: string, request: HttpRequest, beginWithinMs: number): Promise<Exchange> {
    const startedAt = performance.now();
    const endWithinMs = this.remainingMs();
    const result = await exchange(endpoint, request, {
      beginWithinMs: Math.min(beginWithinMs, endWithinMs),
      endWithinMs,
    });
    const said = result.kind === "answered" ? String(result.answer.status) : result.reason;
    const elapsedMs = (performance.now() - startedAt).toFixed(1);
    this.options.trace(`${endpoint} ${request.method} ${request.path}: ${said}, ${elapsedMs} ms`);
    return result;
  }

  private remainingMs(): number {
    return Math.max(0, this.options.deadline - performance.now());
  }

  private async tryEndpoints(
    shareMs: number,
    attempt: (endpoint: string, shareMs: number) => Promise<Attempt>,
    giveUp: (setbacks: ReadonlyMap<string, Setback>) => ProaError,
  ): Promise<HttpAnswer> {
    const { endpoints } = this.options;
    const setbacks = new Map<string, Setback>();
    for (let round = 0; ; round++) {
      for (const [at, endpoint] of endpoints.entries()) {
        const remainingMs = this.remainingMs();
        if (remainingMs === 0) throw giveUp(setbacks);
        const fairMs = remainingMs / (endpoints.length - at);
        const result = await attempt(
          endpoint,
          endpoints.length === 1 ? remainingMs : Math.min(fairMs, shareMs * 2 ** round),
        );
        if (result.kind === "answered") return result.answer;
        const isCutShort = fairMs < shareMs && result.refusal === null && !result.nobody;
        if (!isCutShort || !setbacks.has(endpoint)) setbacks.set(endpoint, result); // haste hides no reason
      }
      const isDeserted = [...setbacks.values()].every(({ nobody, refusal }) => nobody || refusal?.code === "REMOVED");
      if (isDeserted && round > 0) throw giveUp(setbacks); // nobody listens, or belongs there, and waiting does not change that
      await sleep(Math.min(pauseMs.first * 2 ** round, pauseMs.longest, this.remainingMs()));
    }
  }

  private async tryRead(endpoint: string, request: ClientRequest, shareMs: number): Promise<Attempt> {
    const result = await this.ask(endpoint, withTimeout(request, shareMs), shareMs);
    if (result.kind === "failed") return setbackOf(result);
    const error = errorOf(result.answer);
    if (error === null) return result;
    if (result.answer.status === 503 || result.answer.status === 504) return refusedBy(error);
    throw error;
  }

  private async tryWrite(
    endpoint: string,
    request: ClientRequest,
    { shareMs, once }: { readonly shareMs: number; readonly once: Repeatable | null },
  ): Promise<Attempt> {
    const probe = await this.ask(endpoint, { method: "GET", path: "/readyz" }, shareMs);
    if (probe.kind === "failed") return setbackOf(probe);
    if (probe.answer.status !== 200) return refusedBy(notReady(request, probe.answer));
    const remainingMs = this.remainingMs();
    if (remainingMs < sendMsMin)
      return { kind: "setback", reason: "ready, but too late", nobody: false, refusal: null };
    if (once !== null) once.id ??= newRequestId(probe.answer);
    // What may be sent again leaves time for that.
    const patienceMs = once === null ? remainingMs : remainingMs / 2;
    const result = await this.ask(endpoint, withTimeout(withId(request, once), patienceMs), patienceMs);
    if (result.kind === "failed") {
      if (result.sent === "no") return setbackOf(result);
      return lostWrite(request, `${endpoint}: ${result.reason}`, once);
    }
    const error = errorOf(result.answer);
    if (error === null) return result;
    if (result.answer.status === 503 && error.applied === "no") return refusedBy(error);
    if (once !== null && error.code === "OUTCOME_UNKNOWN")
      return lostWrite(request, `${endpoint}: ${error.message}`, once);
    throw error;
  }
}

/** An id that begins with the index of an answer. */
function newRequestId(answer: HttpAnswer): string {
  const name = Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => byte.toString(16).padStart(2, "0"));
  return `${answer.headers.get("X-Proa-Applied") ?? "0"}-${name.join("")}`;
}

function withId(request: ClientRequest, once: Repeatable | null): ClientRequest {
  if (once === null || once.id === null) return request;
  return { ...request, headers: { ...request.headers, "Idempotency-Key": once.id } };
}

function isLost(once: Repeatable | null): once is Repeatable {
  return once !== null && once.lost.length > 0;
}

/** No answer came: it is sent again if it may be, else nobody knows. */
function lostWrite(request: ClientRequest, tried: string, once: Repeatable | null): Attempt {
  if (once === null) throw unknownOutcome(request, [tried], null);
  once.lost.push(tried);
  return { kind: "setback", reason: tried, nobody: false, refusal: null };
}

function withTimeout(request: ClientRequest, timeoutMs: number): HttpRequest {
  const patienceMs = Math.floor(timeoutMs - Math.min(marginMsMax, timeoutMs / 10));
  const header = String(Math.min(60_000, Math.max(1, patienceMs)));
  return { ...request, headers: { ...request.headers, "X-Proa-Timeout-Ms": header } };
}

/** The error that an answer is; null for a success. */
function errorOf(answer: HttpAnswer): ProaError | null {
  if (answer.status >= 200 && answer.status < 300) return null;
  const error = parseServerError(answer.body, answer.status);
  if (error !== null) return error;
  return new ProaError(
    "INTERNAL",
    `Cannot read the answer of ${answer.endpoint}: HTTP ${answer.status} without an error`,
    {
      hint: "compare proa version with the version that proa cluster status --json shows",
      applied: "unknown",
    },
  );
}

function setbackOf(failure: { readonly sent: "no" | "maybe"; readonly reason: string }): Attempt {
  return { kind: "setback", reason: failure.reason, nobody: failure.sent === "no", refusal: null };
}

function refusedBy(refusal: ProaError): Attempt {
  return { kind: "setback", reason: refusal.message, nobody: false, refusal };
}

function notReady({ doing }: ClientRequest, answer: HttpAnswer): ProaError {
  const body = parseJson(answer.body);
  const { reasons, elsewhere } = isRecord(body) ? body : {};
  const why = (Array.isArray(reasons) ? reasons.map(String).join(", ") : "") || "the node is not ready";
  const message = `Cannot ${doing}: ${why}`;
  if (Array.isArray(elsewhere)) return new ProaError("REMOVED", message, { hint: `ask ${elsewhere.join(",")}` });
  return new ProaError("NO_LEADER", message, { hint: "see which nodes are missing: proa cluster status" });
}

function unknownOutcome({ doing }: ClientRequest, tried: readonly string[], once: Repeatable | null): ProaError {
  const message = `Cannot tell whether it took effect: ${doing} was sent, and no answer came`;
  if (once === null || once.id === null)
    return new ProaError("OUTCOME_UNKNOWN", message, {
      hint: "look before you repeat it: proa kv get, proa cluster status",
      tried,
    });
  return new ProaError("OUTCOME_UNKNOWN", message, {
    hint: `repeat it with --request-id ${once.id}: then it takes effect at most once`,
    tried,
    requestId: once.id,
  });
}

/** Nobody answered in time: what the last refusal says, else that nobody is there. */
function giveUp({ doing }: ClientRequest, setbacks: ReadonlyMap<string, Setback>): ProaError {
  const tried = [...setbacks].map(([endpoint, { reason }]) => `${endpoint}: ${reason}`);
  const refusal = [...setbacks.values()].findLast((setback) => setback.refusal !== null)?.refusal;
  if (refusal) {
    const hint = refusal.hint === undefined ? {} : { hint: refusal.hint };
    return new ProaError(refusal.code, refusal.message, { ...hint, applied: "no", tried });
  }
  return new ProaError("UNREACHABLE", `Cannot ${doing}: no endpoint answers`, {
    hint: "start a cluster with proa demo, or name its service ports with --endpoints host:port,…",
    tried,
  });
}

/** Resolves after `delayMs`. */
export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}
