/** Questions about what was: keys at old revisions, the versions of a key, and the changes that a watch is made of. */
import { unreachable } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { ProaError } from "../lib/errors.ts";
import {
  type ChangesPlace,
  type KeyState,
  keyBytes,
  keyText,
  readChangesAnswer,
  readGetAnswer,
  readHistoryAnswer,
  readRangeAnswer,
  writeChanges,
  writeGetAt,
  writeHistory,
  writeRange,
} from "../wire/mod.ts";
import { describeVersion, versionOf } from "./versions.ts";

export type PastQuery =
  | { readonly kind: "getAt"; readonly key: string; readonly revision: number }
  | { readonly kind: "rangeAt"; readonly start: string; readonly end: string; readonly revision: number }
  | { readonly kind: "history"; readonly key: string; readonly below: number | null; readonly limit: number | null }
  | WatchQuery;

/** The changes of a range from a place on. */
export interface WatchQuery {
  readonly kind: "changes";
  readonly start: string;
  readonly end: string;
  readonly only: "put" | "delete" | null;
  readonly previous: boolean;
  readonly from: ChangesPlace;
}

export function encodePast(query: PastQuery): Uint8Array {
  const writer = new ByteWriter(64);
  switch (query.kind) {
    case "getAt":
      writeGetAt(writer, { ...query, key: keyBytes(query.key) });
      break;
    case "rangeAt": {
      const { revision } = query;
      writeRange(writer, { ...rangeBytes(query), revision, limit: null, keysOnly: false });
      break;
    }
    case "history":
      writeHistory(writer, { ...query, key: keyBytes(query.key) });
      break;
    case "changes":
      writeChanges(writer, { ...query, ...rangeBytes(query) });
      break;
    default:
      unreachable(query);
  }
  return writer.take();
}

function rangeBytes({ start, end }: { readonly start: string; readonly end: string }): {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
} {
  return { start: keyBytes(start), end: keyBytes(end) };
}

export function describePast(query: PastQuery): string {
  switch (query.kind) {
    case "getAt":
      return `get ${query.key} at ${query.revision}`;
    case "rangeAt":
      return `range ${query.start}..${query.end} at ${query.revision}`;
    case "history":
      return `history ${query.key} below ${query.below} to ${query.limit}`;
    case "changes": {
      const { start, end, only, previous, from } = query;
      return `watch ${start}..${end} ${only ?? ""}${previous ? " with previous" : ""} from ${from.revision}+${from.skip}`;
    }
    default:
      return unreachable(query);
  }
}

/** What a node answered, as text: equal to another where it says the same. */
export interface PastAnswer {
  readonly text: string;
  /** Where a watch goes on. Null for everything else. */
  readonly next: ChangesPlace | null;
}

export function pastAnswer(query: PastQuery, answer: Uint8Array): PastAnswer {
  try {
    return readAnswer(query, answer);
  } catch (error) {
    if (!(error instanceof ProaError) || error.revision === undefined) throw error;
    const { code, revision } = error;
    const next = query.kind === "changes" ? { revision: revision + 1, skip: 0 } : null;
    return { text: code === "COMPACTED" ? compactedText(revision) : futureText(revision), next };
  }
}

function readAnswer(query: PastQuery, answer: Uint8Array): PastAnswer {
  switch (query.kind) {
    case "getAt": {
      const { revision, state } = readGetAnswer(new ByteReader(answer));
      return { text: foundText(revision, state === null ? [] : [itemText(query.key, state)]), next: null };
    }
    case "rangeAt": {
      const { revision, items } = readRangeAnswer(new ByteReader(answer));
      return {
        text: foundText(
          revision,
          items.map(({ key, state }) => itemText(keyText(key), state)),
        ),
        next: null,
      };
    }
    case "history": {
      const { revision, compactedRevision, more, versions } = readHistoryAnswer(new ByteReader(answer));
      const found = versions.map((state) => itemText(query.key, state));
      return { text: `${foundText(revision, found)} above ${compactedRevision}, ${more}`, next: null };
    }
    case "changes": {
      const { revision, next, changes } = readChangesAnswer(answer);
      const found = changes.map(({ key, state, previous }) => {
        const before = previous === null ? "" : ` was ${itemText(keyText(key), previous)}`;
        return `${itemText(keyText(key), state)}${before}`;
      });
      return { text: `${foundText(revision, found)} then ${next.revision}+${next.skip}`, next };
    }
    default:
      return unreachable(query);
  }
}

export function foundText(revision: number, found: readonly string[]): string {
  return `at ${revision}: ${found.join("; ")}`;
}

export function compactedText(compactedRevision: number): string {
  return `compacted to ${compactedRevision}`;
}

export function futureText(revision: number): string {
  return `only at ${revision}`;
}

export function deletedText(key: string, revision: number): string {
  return `${key} deleted ${revision}`;
}

function itemText(key: string, state: KeyState): string {
  const isPlain = state.value.length === 0 && state.createRevision === 0 && state.lease === 0;
  if (state.version === 0 && isPlain) return deletedText(key, state.modRevision);
  return `${key}=${describeVersion(versionOf(state))}`;
}
