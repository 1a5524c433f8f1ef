/** The conditional headers of HTTP, as far as a key-value store needs them: a revision that a key must have. */
import { ProaError } from "../lib/errors.ts";

/** The mod revision that `If-Match` or `If-None-Match` demands; 0: the key must not exist; null: neither is there. */
export function revisionCondition(
  headers: Headers,
  options: { readonly action: string; readonly mayBeAbsent: boolean },
): number | null {
  const { action, mayBeAbsent } = options;
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== null && !mayBeAbsent) throw invalid(action, "If-None-Match is only for PUT", "use If-Match");
  if (ifMatch !== null && ifNoneMatch !== null) throw invalid(action, "If-Match and If-None-Match exclude each other");
  if (ifNoneMatch !== null) {
    if (ifNoneMatch.trim() === "*") return 0;
    throw invalid(action, `If-None-Match is ${JSON.stringify(ifNoneMatch)}, and must be *`);
  }
  return ifMatch === null ? null : revisionOfTag(ifMatch.trim(), action);
}

/** How a mod revision looks as an entity tag. */
export function tagOfRevision(revision: number): string {
  return `"${revision}"`;
}

function revisionOfTag(tag: string, action: string): number {
  const revision = Number(/^"(\d{1,16})"$/.exec(tag)?.[1] ?? NaN);
  if (Number.isSafeInteger(revision)) return revision;
  throw invalid(
    action,
    `If-Match is ${JSON.stringify(tag)}, not a mod revision in double quotes`,
    'for example If-Match: "42"',
  );
}

function invalid(action: string, reason: string, hint?: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot ${action}: ${reason}`, hint === undefined ? {} : { hint });
}
