/**
 * What a request asks for: its path and its query, taken from the URL as text. Not through `URL`, which would fold dot
 * segments, so that a key would silently become another one.
 */
import { percentDecode } from "../client/key_text.ts";
import { ProaError } from "../lib/errors.ts";
import { nearest } from "./suggestion.ts";

export interface Target {
  /** Undecoded, beginning with `/`. */
  readonly path: string;
  /** What follows the `?`, undecoded; empty without one. */
  readonly query: string;
}

/** Splits the URL of a request, which is always absolute; a fragment is no part of a request and is refused. */
export function parseTarget(url: string): Target {
  const authority = url.indexOf("://") + 3;
  const slash = url.indexOf("/", authority);
  const target = slash === -1 ? "/" : url.slice(slash);
  if (target.includes("#")) {
    throw new ProaError("INVALID_REQUEST", "Cannot read the request target: it has a #", { hint: "write # as %23" });
  }
  const question = target.indexOf("?");
  if (question === -1) return { path: target, query: "" };
  return { path: target.slice(0, question), query: target.slice(question + 1) };
}

/** Query parameters by name, undecoded. */
export type Query = ReadonlyMap<string, string>;

/** Reads a query in which each of the names in `known` may stand once, and nothing else. */
export function parseQuery(query: string, known: readonly string[]): Query {
  const parameters = new Map<string, string>();
  for (const part of query.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = equals === -1 ? part : part.slice(0, equals);
    if (!known.includes(name)) throw unknownParameter(name, known);
    if (parameters.has(name)) throw invalid(`the query parameter ${name} is given twice`);
    parameters.set(name, equals === -1 ? "" : part.slice(equals + 1));
  }
  return parameters;
}

/** The bytes of the parameter `name`, null without it. A `+` is a space, as everywhere in queries. */
export function bytesParameter(query: Query, name: string): Uint8Array<ArrayBuffer> | null {
  const text = query.get(name);
  return text === undefined ? null : decodedBytes(text.replaceAll("+", "%20"), `the query parameter ${name}`);
}

/** The bytes that `text` stands for; `what` it is, for the error. */
export function decodedBytes(text: string, what: string): Uint8Array<ArrayBuffer> {
  const bytes = percentDecode(text);
  if (bytes === null) throw invalid(`${what} has a % without two hexadecimal digits`, "write % itself as %25");
  return bytes;
}

/** The parameter `name`, which must be one of `choices`; null without it. */
export function choiceParameter<T extends string>(query: Query, name: string, choices: readonly T[]): T | null {
  const text = query.get(name);
  if (text === undefined) return null;
  const chosen = choices.find((choice) => choice === text);
  if (chosen !== undefined) return chosen;
  throw invalid(`the query parameter ${name} is ${JSON.stringify(text)}, not ${orList(choices)}`);
}

function orList(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1) ?? ""}`;
}

/** The parameter `name`, which must be an integer from 1 to `max`; null without it. */
export function integerParameter(query: Query, name: string, max: number): number | null {
  const text = query.get(name);
  if (text === undefined) return null;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw invalid(`the query parameter ${name} is ${JSON.stringify(text)}, not an integer from 1 to ${max}`);
}

/** The parameter `name`, which must be a revision; null without it. */
export function revisionParameter(query: Query, name: string): number | null {
  return integerParameter(query, name, Number.MAX_SAFE_INTEGER);
}

/**
 * Whether a URL library may have changed, or would change, this path: it has a segment `.` or `..`, also with `%2E`,
 * or a backslash.
 */
export function isFoldable(path: string): boolean {
  return path.includes("\\") || path.split("/").some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment));
}

function unknownParameter(name: string, known: readonly string[]): ProaError {
  const suggestion = nearest(name, known);
  const accepted = known.length === 0 ? "this request takes none" : `this request takes ${known.join(", ")}`;
  const hint = suggestion === null ? accepted : `did you mean ${suggestion}?`;
  return invalid(`unknown query parameter ${JSON.stringify(name)}`, hint);
}

function invalid(reason: string, hint?: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot read the request: ${reason}`, hint === undefined ? {} : { hint });
}
