/** What the verbs of `proa kv` do: check what can be checked here, ask the cluster, print. */
import { clientOf } from "../client.ts";
import type { Context } from "../context.ts";
import { escapeBytes } from "../escape.ts";
import { typedBound, typedKey } from "../key_encoding.ts";
import type { KeyEncoding } from "../key_encoding.ts";
import { jsonLine, out, stdoutIsTerminal } from "../output.ts";
import { typedValue } from "../typed_value.ts";
import { bytesOfJson, jsonBytes, percentDecode } from "../../src/client/key_text.ts";
import {
  deleteKey,
  deleteRange,
  getKey,
  keyHistory,
  listKeys,
  prefixRange,
  putKey,
} from "../../src/client/kv_requests.ts";
import type { Condition, Hanging, HistoryPage, KeyRange, ListPage } from "../../src/client/kv_requests.ts";
import type { Consistency } from "../../src/client/operations.ts";
import { ProaError } from "../../src/lib/errors.ts";

export interface PutRequest {
  readonly key: string;
  readonly value: string;
  readonly ifAbsent: boolean;
  readonly ifRev: number | undefined;
  readonly ttl: number | undefined;
  readonly lease: number | undefined;
  readonly requestId: string | undefined;
  readonly keyEncoding: KeyEncoding;
}

export async function put(request: PutRequest, context: Context): Promise<void> {
  if (request.ifAbsent && request.ifRev !== undefined)
    throw usage("put", "--if-absent and --if-rev exclude each other");
  if (request.ttl !== undefined && request.lease !== undefined)
    throw usage("put", "--ttl and --lease exclude each other");
  const key = typedKey({ text: request.key, encoding: request.keyEncoding, verb: "put" });
  const condition: Condition = request.ifAbsent ? { kind: "absent" } : revisionCondition(request.ifRev);
  const written = await putKey(clientOf(context), {
    key,
    value: typedValue(request.value),
    condition,
    hanging: hangingOf(request),
    requestId: request.requestId,
  });
  const granted = written.lease === undefined ? "" : ` lease=${written.lease}`;
  context.output.confirmation(written, `ok rev=${written.revision}${granted}`);
}

function hangingOf({ ttl, lease }: Pick<PutRequest, "ttl" | "lease">): Hanging {
  if (ttl !== undefined) return { kind: "ttl", ttl: `${ttl}ms` };
  return lease === undefined ? null : { kind: "lease", id: lease };
}

export interface GetRequest {
  readonly key: string;
  readonly rev: number | undefined;
  readonly consistency: Consistency;
  readonly keyEncoding: KeyEncoding;
}

export async function get(request: GetRequest, context: Context): Promise<void> {
  const key = typedKey({ text: request.key, encoding: request.keyEncoding, verb: "get" });
  const { value, facts } = await getKey(clientOf(context), {
    key,
    consistency: request.consistency,
    revision: request.rev ?? null,
  });
  if (context.output.mode !== "table") {
    out(jsonLine({ ...jsonBytes("key", key), ...jsonBytes("value", value), ...facts }));
    return;
  }
  out(value);
  if (stdoutIsTerminal()) out("\n");
}

export interface HistoryRequest {
  readonly key: string;
  readonly limit: number | undefined;
  readonly below: number | undefined;
  readonly consistency: Consistency;
  readonly keyEncoding: KeyEncoding;
}

export async function history(request: HistoryRequest, context: Context): Promise<void> {
  const key = typedKey({ text: request.key, encoding: request.keyEncoding, verb: "history" });
  const client = clientOf(context);
  const { consistency } = request;
  const versions: Readonly<Record<string, unknown>>[] = [];
  let [below, left] = [request.below ?? null, request.limit ?? null];
  let page: HistoryPage;
  do {
    page = await keyHistory(client, { key, below, limit: left, consistency });
    versions.push(...page.versions);
    below = page.below;
    if (left !== null) left -= page.versions.length;
  } while (below !== null && (left === null || left > 0));
  if (versions.length === 0) {
    throw new ProaError("NOT_FOUND", `Cannot show a history: ${escapeBytes(key)} has none that can be read`, {
      hint: `it reaches back to revision ${page.compacted_revision}; how much is kept: proa cluster set`,
    });
  }
  if (context.output.mode === "jsonl") return out(versions.map((version) => jsonLine(version)).join(""));
  const { revision, compacted_revision } = page;
  const more = below !== null;
  context.output.result(
    { ...jsonBytes("key", key), revision, compacted_revision, versions, more, below: below ?? undefined },
    () => versions.map(historyLine).join(""),
  );
  if (more) context.output.note(`older versions follow: go on with --below ${below}`);
}

function historyLine(version: Readonly<Record<string, unknown>>): string {
  const { mod_revision, deleted } = version;
  if (deleted === true) return `${String(mod_revision)}\tdel\n`;
  const value = escapeBytes(bytesOfJson("value", version) ?? new Uint8Array());
  return `${String(mod_revision)}\tput\t${value}\n`;
}

export interface DelRequest {
  readonly key: string | undefined;
  readonly ifRev: number | undefined;
  readonly prefix: string | undefined;
  readonly start: string | undefined;
  readonly end: string | undefined;
  readonly ignoreMissing: boolean;
  readonly requestId: string | undefined;
  readonly keyEncoding: KeyEncoding;
}

export async function del(request: DelRequest, context: Context): Promise<void> {
  const target = deletionTarget(request);
  const client = clientOf(context);
  const { requestId } = request;
  const deletion = await (target.kind === "key"
    ? deleteKey(client, { ...target, requestId })
    : deleteRange(client, { ...target, requestId }));
  if (deletion.deleted === 0 && !request.ignoreMissing) {
    throw new ProaError("NOT_FOUND", `Cannot delete ${target.shown}: there is nothing to delete`, {
      hint: "with --ignore-missing this is no error",
      revision: deletion.revision,
    });
  }
  const count = target.kind === "key" && deletion.deleted === 1 ? "" : ` deleted=${deletion.deleted}`;
  context.output.confirmation(deletion, `ok rev=${deletion.revision}${count}`);
}

export interface LsRequest {
  readonly prefix: string | undefined;
  readonly start: string | undefined;
  readonly end: string | undefined;
  readonly limit: number | undefined;
  readonly values: boolean;
  readonly keysOnly: boolean;
  readonly rev: number | undefined;
  readonly consistency: Consistency;
  readonly keyEncoding: KeyEncoding;
}

export async function ls(request: LsRequest, context: Context): Promise<void> {
  if (request.values && request.keysOnly) throw usage("ls", "--values and --keys-only exclude each other");
  const { mode } = context.output;
  const keysOnly = mode === "table" ? !request.values : request.keysOnly;
  const collected: Record<string, unknown>[] = [];
  let first: ListPage | null = null;
  let next: string | null = null;
  for await (const page of pages(request, { keysOnly, context })) {
    first ??= page;
    next = page.next;
    if (mode === "json") collected.push(...page.kvs);
    else out(page.kvs.map((kv) => (mode === "jsonl" ? jsonLine(kv) : listLine(kv, request.values))).join(""));
  }
  if (mode === "json")
    out(jsonLine({ revision: first?.revision, kvs: collected, more: next !== null, next: next ?? undefined }));
  else if (next !== null) context.output.note(`more keys follow: go on with --start '${next}' --key-encoding percent`);
}

type DeletionTarget =
  | { readonly kind: "key"; readonly key: Uint8Array; readonly condition: Condition; readonly shown: string }
  | { readonly kind: "range"; readonly range: KeyRange; readonly shown: string };

/** What is to be deleted: one key or one range, never both and never everything by accident. */
function deletionTarget(request: DelRequest): DeletionTarget {
  const { key: text, ifRev, keyEncoding: encoding } = request;
  const range = typedRange(request, "del");
  if (text !== undefined && range !== null) throw usage("del", "a key and a range exclude each other");
  if (text !== undefined) {
    const key = typedKey({ text, encoding, verb: "del" });
    return { kind: "key", key, condition: revisionCondition(ifRev), shown: escapeBytes(key) };
  }
  if (range === null) throw usage("del", "name a key, --prefix, or --start and --end");
  if (ifRev !== undefined) throw usage("del", "--if-rev is for one key, not for a range");
  return { kind: "range", range, shown: "the range" };
}

/** The range that was asked for; null when none was. */
export function typedRange(
  request: Pick<DelRequest, "prefix" | "start" | "end" | "keyEncoding">,
  verb: string,
): KeyRange | null {
  const { prefix, start, end, keyEncoding: encoding } = request;
  if (prefix !== undefined && (start !== undefined || end !== undefined)) {
    throw usage(verb, "a prefix excludes --start and --end");
  }
  if (prefix !== undefined) return prefixRange(typedBound({ text: prefix, encoding, verb }));
  if (start === undefined && end === undefined) return null;
  return {
    start: typedBound({ text: start ?? "", encoding, verb }),
    end: end === undefined ? null : typedBound({ text: end, encoding, verb }),
  };
}

/** Page after page, until the range or the limit is exhausted; all of them at the revision of the first, unless they are stale. */
async function* pages(
  request: LsRequest,
  { keysOnly, context }: { readonly keysOnly: boolean; readonly context: Context },
): AsyncGenerator<ListPage> {
  const client = clientOf(context);
  let range = typedRange(request, "ls") ?? { start: new Uint8Array(), end: null };
  let left = request.limit ?? null;
  const { consistency } = request;
  let revision = request.rev ?? null;
  for (;;) {
    const page = await listKeys(client, { range, limit: left, keysOnly, consistency, revision });
    yield page;
    if (consistency === "linearizable") revision ??= page.revision;
    if (left !== null) left -= page.kvs.length;
    if (page.next === null || (left !== null && left <= 0)) return;
    const start = percentDecode(page.next);
    if (start === null) throw new ProaError("INTERNAL", `Cannot go on listing: ${page.next} is not percent-encoded`);
    range = { start, end: range.end };
  }
}

function listLine(kv: Readonly<Record<string, unknown>>, withValue: boolean): string {
  const key = escapeBytes(bytesOfJson("key", kv) ?? new Uint8Array());
  return withValue ? `${key}\t${escapeBytes(bytesOfJson("value", kv) ?? new Uint8Array())}\n` : `${key}\n`;
}

function revisionCondition(revision: number | undefined): Condition {
  return revision === undefined ? null : { kind: "revision", revision };
}

function usage(verb: string, reason: string): ProaError {
  return new ProaError("USAGE", `Cannot run proa kv ${verb}: ${reason}`, { hint: `see proa help kv ${verb}` });
}
