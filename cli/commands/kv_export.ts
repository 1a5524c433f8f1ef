/**
 * What `proa kv export` and `proa kv import` do: keys and values as JSON, a line each, whole or refused. An export says which
 * lease a key hung on; an import makes keys that hang on none, for leases belong to the cluster that counts their time.
 */
import type { Context } from "../context.ts";
import { typedBound } from "../key_encoding.ts";
import type { KeyEncoding } from "../key_encoding.ts";
import { libraryClient } from "../library.ts";
import { readLines } from "../line_reader.ts";
import type { Line } from "../line_reader.ts";
import { jsonLine, out } from "../output.ts";
import type { Client } from "../../src/client/client.ts";
import type { Operation } from "../../src/client/frame.ts";
import { isRecord, parseJson } from "../../src/client/json.ts";
import { bytesOfJson, jsonBytes } from "../../src/client/key_text.ts";
import type { KeyValue } from "../../src/client/key_value.ts";
import { putOperation } from "../../src/client/operations.ts";
import { UnknownOutcomeError } from "../../src/client/outcomes.ts";
import { runsOf } from "../../src/client/runs.ts";
import { ProaError } from "../../src/lib/errors.ts";
import type { CommandResult } from "../../src/wire/mod.ts";

/** What the first line of an export says that it is. */
const format = "proa-export";
const formatVersion = 1;
/** How much is written at a time. Characters. */
const chunkLength = 64 * 1024;

export interface ExportRequest {
  readonly prefix: string | undefined;
  readonly rev: number | undefined;
  readonly keyEncoding: KeyEncoding;
}

export async function exportKeys(request: ExportRequest, context: Context): Promise<void> {
  const prefix = typedBound({ text: request.prefix ?? "", encoding: request.keyEncoding, verb: "export" });
  using client = libraryClient(context);
  const revision = request.rev ?? (await client.revision());
  let text = jsonLine({ format, version: formatVersion, revision, ...jsonBytes("prefix", prefix) });
  let keys = 0;
  for await (const item of client.scan({ prefix }, { revision })) {
    text += jsonLine(objectOf(item));
    keys++;
    if (text.length < chunkLength) continue;
    out(text);
    text = "";
  }
  out(text + jsonLine({ end: true, keys }));
}

function objectOf(item: KeyValue): Readonly<Record<string, unknown>> {
  return {
    ...jsonBytes("key", item.key),
    ...jsonBytes("value", item.value),
    create_revision: item.createRevision,
    mod_revision: item.modRevision,
    version: item.version,
    lease: item.lease,
  };
}

export interface ImportRequest {
  readonly file: string;
  readonly ifAbsent: boolean;
}

interface Item {
  readonly operation: Operation<CommandResult>;
}

/** What has happened so far. */
interface Progress {
  imported: number;
  skipped: number;
  /** Lines whose keys hung on a lease. */
  unleased: number;
  revision: number | null;
  /** Whether the first line said that this is an export, which has a last line, too. */
  isExport: boolean;
  /** The number of keys that the last line names; null before it. */
  announced: number | null;
}

export async function importKeys({ file, ifAbsent }: ImportRequest, context: Context): Promise<void> {
  const progress: Progress = { imported: 0, skipped: 0, unleased: 0, revision: null, isExport: false, announced: null };
  using client = libraryClient(context);
  try {
    for await (const lines of readLines(file)) {
      const items = lines.flatMap((line) => itemOf(line, progress, ifAbsent) ?? []);
      for (const run of runsOf(items)) await write(client, run, progress);
    }
    checkEnd(progress);
  } catch (error) {
    throw error instanceof ProaError ? withProgress(error, progress) : error;
  }
  const { imported, skipped, unleased, revision } = progress;
  const text = `imported ${String(imported)} keys${skipped === 0 ? "" : `, skipped ${String(skipped)}`}`;
  const at = revision === null ? {} : { revision };
  context.output.confirmation(
    { imported, skipped, ...(unleased > 0 && { unleased }), ...at },
    revision === null ? text : `${text} rev=${String(revision)}`,
  );
  if (unleased > 0) context.output.note(`${String(unleased)} keys hung on a lease, and hang on none now`);
}

/** The put that a line asks for; null for a line that is none. Throws USAGE for one that cannot be understood. */
function itemOf({ number, bytes }: Line, progress: Progress, ifAbsent: boolean): Item | null {
  if (bytes.length === 0) return null;
  const value = parseJson(bytes);
  if (!isRecord(value)) throw badLine(number, "it is no JSON object");
  if (progress.announced !== null) throw badLine(number, "it follows the end of the export");
  if (number === 1 && "format" in value) {
    if (value["format"] !== format || value["version"] !== formatVersion) throw badLine(number, "it is another format");
    progress.isExport = true;
    return null;
  }
  if (progress.isExport && value["end"] === true) {
    if (typeof value["keys"] !== "number") throw badLine(number, "it does not say how many keys there are");
    progress.announced = value["keys"];
    return null;
  }
  const [key, content] = [bytesOfJson("key", value), bytesOfJson("value", value)];
  if (key === null) throw badLine(number, "it has neither key nor key_b64");
  if (content === null) throw badLine(number, "it has neither value nor value_b64");
  if (typeof value["lease"] === "number" && value["lease"] > 0) progress.unleased++;
  return { operation: putOperation({ key, value: content, ifRevision: ifAbsent ? 0 : null }) };
}

async function write(client: Client, run: readonly Item[], progress: Progress): Promise<void> {
  for (const result of await Promise.all(run.map(({ operation }) => putOnce(client, operation)))) {
    progress.revision = Math.max(progress.revision ?? 0, result.revision);
    if (result.status === "ok") progress.imported++;
    else progress.skipped++;
  }
}

/** How often a put is tried whose outcome is unknown: it writes the same again, so that once more does no harm. */
const triesMax = 5;

async function putOnce(client: Client, operation: Operation<CommandResult>): Promise<CommandResult> {
  for (let tries = 1; ; tries++) {
    try {
      return await client.run(operation);
    } catch (error) {
      if (!(error instanceof UnknownOutcomeError) || tries === triesMax) throw error;
    }
  }
}

function checkEnd({ isExport, announced, imported, skipped }: Progress): void {
  if (!isExport) return;
  if (announced === null)
    throw new ProaError("USAGE", "Cannot import all: the export is cut off, its last line is missing");
  if (announced === imported + skipped) return;
  throw new ProaError("USAGE", `Cannot import all: the export announces ${String(announced)} keys and holds others`);
}

function withProgress(error: ProaError, { imported, skipped }: Progress): ProaError {
  if (imported + skipped === 0) return error;
  const { code, message, tried, cause } = error;
  return new ProaError(code, message, {
    hint: `${String(imported)} keys are imported already: an import may be repeated from the beginning`,
    applied: "unknown",
    tried,
    cause,
  });
}

function badLine(number: number, reason: string): ProaError {
  return new ProaError("USAGE", `Cannot import line ${String(number)}: ${reason}`, {
    hint: "a line is an object with key and value, as proa kv export writes it",
  });
}
