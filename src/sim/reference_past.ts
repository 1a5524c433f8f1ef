/** What a store must answer about what was, from all changes that there ever were. */
import { unreachable } from "../lib/assert.ts";
import { compactedText, deletedText, foundText, futureText, type PastQuery, type WatchQuery } from "./past.ts";
import { describeVersion, type KeyVersion } from "./versions.ts";

/** A key that was put or deleted. */
export interface Change {
  readonly key: string;
  readonly revision: number;
  /** Null: the key was deleted. */
  readonly version: KeyVersion | null;
  /** What it was before; null: it did not exist. */
  readonly previous: KeyVersion | null;
}

/** A store as it was behind some entry. */
export interface PastView {
  readonly revision: number;
  readonly compactedRevision: number;
  /** All that led to it, in order. */
  readonly changes: readonly Change[];
}

/** The text of the answer to `query` (past.ts). */
export function pastText(query: PastQuery, view: PastView): string {
  switch (query.kind) {
    case "getAt":
      return textAt(view, query.revision, (key) => key === query.key);
    case "rangeAt":
      return textAt(view, query.revision, (key) => key >= query.start && key < query.end);
    case "history":
      return historyText(view, query);
    case "changes":
      return changesText(view, query);
    default:
      return unreachable(query);
  }
}

function textAt(
  { revision, compactedRevision, changes }: PastView,
  asked: number,
  isIn: (key: string) => boolean,
): string {
  if (asked > revision) return futureText(revision);
  if (asked < compactedRevision) return compactedText(compactedRevision);
  const latest = new Map<string, KeyVersion | null>();
  for (const change of changes)
    if (change.revision <= asked && isIn(change.key)) latest.set(change.key, change.version);
  const keys = [...latest.keys()].sort();
  const found = keys.flatMap((key) => {
    const version = latest.get(key) ?? null;
    return version === null ? [] : [`${key}=${describeVersion(version)}`];
  });
  return foundText(revision, found);
}

/** The newest first, down to what the oldest readable revision shows. */
function historyText(view: PastView, query: PastQuery & { readonly kind: "history" }): string {
  const { revision, compactedRevision, changes } = view;
  const { key, below, limit } = query;
  const readable: Change[] = [];
  for (const change of changes.filter((one) => one.key === key).reverse()) {
    const isOldest = change.revision <= compactedRevision;
    if (!isOldest || change.version !== null) readable.push(change);
    if (isOldest) break;
  }
  const wanted = readable.filter((change) => below === null || change.revision < below);
  const shown = wanted.slice(0, limit ?? Infinity).map(changeText);
  return `${foundText(revision, shown)} above ${compactedRevision}, ${wanted.length > shown.length}`;
}

function changesText({ revision, compactedRevision, changes }: PastView, query: WatchQuery): string {
  const { start, end, only, from } = query;
  if (from.revision <= compactedRevision) return compactedText(compactedRevision);
  const first = changes.filter((change) => change.revision === from.revision).slice(from.skip);
  const later = changes.filter((change) => change.revision > from.revision);
  const wanted = [...first, ...later].filter(({ key, version }) => {
    return key >= start && key < end && (only === null || (version === null) === (only === "delete"));
  });
  const shown = wanted.map((change) => {
    const before =
      query.previous && change.previous !== null ? ` was ${change.key}=${describeVersion(change.previous)}` : "";
    return `${changeText(change)}${before}`;
  });
  return `${foundText(revision, shown)} then ${Math.max(revision + 1, from.revision)}+0`;
}

function changeText({ key, revision, version }: Change): string {
  return version === null ? deletedText(key, revision) : `${key}=${describeVersion(version)}`;
}
