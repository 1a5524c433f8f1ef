/** Queries that lie back to back: walks over them, and checks them where they enter. */
import { CorruptError } from "../lib/errors.ts";
import type { BatchCheck } from "./limits.ts";
import { keyProblem, refused } from "./limits.ts";
import { asksForTime, decodeQuery, isPlainGet, queryEnd, queryHeaderBytes, queryProblem } from "./query_codec.ts";
import type { Query } from "./query_codec.ts";

/** Shows one query at a time; that a get is one, and its key, without an object or a view. */
export class QueryCursor {
  /** The query that is shown: from the first up to the second, without it. */
  private start = 0;
  private end = 0;

  constructor(readonly queries: Uint8Array) {}

  /** Goes on to the next query; false when there is none. Throws {@link CorruptError} when it is not whole. */
  next(): boolean {
    if (this.end === this.queries.length) return false;
    this.start = this.end;
    this.end = queryEnd(this.queries, this.start);
    return true;
  }

  /** Whether it asks for a key as it is: one of {@link keyStart} up to {@link keyEnd}, without it. */
  get isGet(): boolean {
    return isPlainGet(this.queries, this.start);
  }

  get keyStart(): number {
    return this.start + queryHeaderBytes;
  }

  get keyEnd(): number {
    return this.end;
  }

  /** Whether it asks what only a leader knows: how much time is left. */
  get asksForTime(): boolean {
    return asksForTime(this.queries, this.start);
  }

  /** All that it says; its bytes are views. Throws {@link CorruptError}. Limits are not checked. */
  decode(): Query {
    return decodeQuery(this.queries.subarray(this.start, this.end));
  }
}

/** Checks queries where they enter: format, limits, and that there is one. */
export function validateQueries(queries: Uint8Array): BatchCheck {
  let count = 0;
  try {
    for (const cursor = new QueryCursor(queries); cursor.next(); count++) {
      const problem = cursor.isGet ? keyProblem("get", cursor.keyEnd - cursor.keyStart) : queryProblem(cursor.decode());
      if (problem !== null) return problem;
    }
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    return refused("INVALID_REQUEST", `Cannot read query ${count + 1} of the request: ${error.message}`);
  }
  if (count === 0) return refused("INVALID_REQUEST", "Cannot read: the request holds no query");
  return { ok: true, count };
}
