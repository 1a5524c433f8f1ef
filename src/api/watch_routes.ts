/** `GET /v1/watch`: changes as server-sent events, one for each revision, read from the history as fast as the client takes them. */
import { futureWatch } from "../client/call_errors.ts";
import { eventJson } from "../client/event_json.ts";
import { ProaError } from "../lib/errors.ts";
import { prefixEnd, readChangesAnswer } from "../wire/mod.ts";
import type { Change, ChangesAnswer, ChangesPlace, ChangesQuery, KeyRange } from "../wire/mod.ts";
import { groupZero, newestRevision } from "./exchange.ts";
import type { Handler, ServiceContext } from "./exchange.ts";
import { viewHeaders } from "./responses.ts";
import { bytesParameter, choiceParameter, parseQuery } from "./target.ts";
import type { Query } from "./target.ts";

const parameters = ["key", "prefix", "start", "end", "from", "previous", "only", "progress"];
const booleans = ["true", "false"] as const;
const kinds = ["put", "delete"] as const;

export const getWatch: Handler = async (exchange) => {
  const { context, request, target } = exchange;
  const query = parseQuery(target.query, parameters);
  const wanted = {
    kind: "changes",
    ...rangeOf(query),
    previous: choiceParameter(query, "previous", booleans) === "true",
    only: choiceParameter(query, "only", kinds),
  } as const;
  const withProgress = choiceParameter(query, "progress", booleans) === "true";
  const from = fromOf(query, request.headers);
  const isAhead = from === null || from > context.node.view(groupZero).revision + 1;
  const newest = isAhead ? await newestRevision(exchange) : 0; // of a node that is behind, or of a store that was never there
  if (isAhead && from !== null && from > newest + 1) throw futureWatch(from, newest);
  const revision = from ?? newest + 1;
  const watch = new Watch({ ...wanted, from: { revision: Math.max(2, revision), skip: 0 } }, withProgress, context);
  if (request.method !== "HEAD") await watch.begin(); // so that what cannot begin is refused like any other request
  const headers = { ...viewHeaders(context.node), "content-type": "text/event-stream", "cache-control": "no-store" };
  return new Response(request.method === "HEAD" ? null : watch.stream(), { status: 200, headers });
};

/** How long nothing is said while nothing happens: what proxies and clients take for a dead connection is longer. Milliseconds. */
const quietMs = 3000;

/** One stream: where it is, and what it says next. */
class Watch {
  private readonly context: ServiceContext;
  private readonly withProgress: boolean;
  private query: ChangesQuery;
  /** What was read before the stream began. */
  private first: ChangesAnswer | null = null;
  private cancelPoll: () => void = () => undefined;
  private told: number;

  constructor(query: ChangesQuery, withProgress: boolean, context: ServiceContext) {
    this.query = query;
    this.withProgress = withProgress;
    this.context = context;
    this.told = query.from.revision - 1;
  }

  /** Throws COMPACTED, OVERLOADED or STOPPING. */
  async begin(): Promise<void> {
    this.first = await this.poll(1);
  }

  /** Pulled by whoever reads: nothing is kept for a client that does not. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream(
      {
        pull: async (controller) => {
          try {
            controller.enqueue(utf8.encode(await this.next()));
          } catch (error) {
            if (!(error instanceof ProaError)) throw error;
            controller.enqueue(utf8.encode(`event: error\ndata: ${JSON.stringify(error)}\n\n`));
            controller.close();
          }
        },
        cancel: () => {
          this.cancelPoll();
        },
      },
      { highWaterMark: 0 },
    );
  }

  private async next(): Promise<string> {
    const { changes, next } = this.first ?? (await this.poll(quietMs));
    this.first = null;
    this.query = { ...this.query, from: next };
    const newest = next.revision - 1;
    if (changes.length > 0) {
      this.told = newest;
      return revisionsText(changes, next);
    }
    if (!this.withProgress || next.skip > 0 || newest <= this.told) return `: revision ${newest}\n\n`;
    this.told = newest;
    return `event: progress\nid: ${newest}\ndata: ${JSON.stringify({ revision: newest })}\n\n`;
  }

  private poll(timeoutMs: number): Promise<ChangesAnswer> {
    return new Promise((resolve, reject) => {
      this.cancelPoll = this.context.watches.poll(this.query, timeoutMs, (outcome) => {
        if (outcome.kind === "failed") reject(outcome.error);
        else resolve(readChangesAnswer(new Uint8Array(outcome.body))); // a copy: the body is only lent
      });
    });
  }
}

const utf8 = new TextEncoder();

/** One event for each revision. One that goes on in the next portion has `more` and no id, so that it is not taken for whole. */
function revisionsText(changes: readonly Change[], next: ChangesPlace): string {
  let text = "";
  for (let at = 0; at < changes.length;) {
    const revision = changes[at]?.state.modRevision ?? 0;
    const begin = at;
    while (changes[at]?.state.modRevision === revision) at++;
    const more = next.revision === revision;
    const data = { revision, events: changes.slice(begin, at).map(jsonOf), ...(more && { more }) };
    text += `${more ? "" : `id: ${revision}\n`}data: ${JSON.stringify(data)}\n\n`;
  }
  return text;
}

function jsonOf({ key, state, previous }: Change): Readonly<Record<string, unknown>> {
  return eventJson({ key, modRevision: state.modRevision, now: state.version === 0 ? null : state, previous });
}

function rangeOf(query: Query): KeyRange {
  const key = bytesParameter(query, "key");
  const prefix = bytesParameter(query, "prefix");
  const start = bytesParameter(query, "start");
  const end = bytesParameter(query, "end");
  const ways = [key !== null, prefix !== null, start !== null || end !== null].filter(Boolean).length;
  if (ways > 1) throw invalid("key, prefix, and start with end exclude each other");
  if (key?.length === 0) throw invalid("the key is empty");
  if (end?.length === 0) throw invalid("the end is empty: leave it out for a range without an upper end");
  if (key !== null) return { start: key, end: new Uint8Array([...key, 0]) };
  if (prefix !== null) return { start: prefix, end: prefixEnd(prefix) };
  return { start: start ?? new Uint8Array(0), end };
}

/** Behind the last event that the client has seen, else as the query says; null: from now on. */
function fromOf(query: Query, headers: Headers): number | null {
  const seen = headers.get("last-event-id");
  if (seen !== null) return revisionOf(seen, "Last-Event-ID") + 1;
  const from = query.get("from");
  return from === undefined ? null : revisionOf(from, "the query parameter from");
}

function revisionOf(text: string, what: string): number {
  const revision = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(revision)) return revision;
  throw invalid(`${what} is ${JSON.stringify(text)}, not a revision`);
}

function invalid(reason: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot watch: ${reason}`, {
    hint: "for example /v1/watch?prefix=config/&from=42",
  });
}
