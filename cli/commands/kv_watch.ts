/** What `proa kv watch` does: events one after another, printed or handed to a command, and where to go on next time. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Context } from "../context.ts";
import { escapeBytes } from "../escape.ts";
import { typedKey } from "../key_encoding.ts";
import type { KeyEncoding } from "../key_encoding.ts";
import { libraryClient } from "../library.ts";
import { jsonLine, out } from "../output.ts";
import { typedRange } from "./kv_verbs.ts";
import type { Client, WatchSelection } from "../../src/client/client.ts";
import { eventJson } from "../../src/client/event_json.ts";
import { utf8Text } from "../../src/client/key_text.ts";
import type { WatchEvent } from "../../src/client/watch.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { readJsonObject, replaceFile } from "../../src/local/state_file.ts";

export interface WatchRequest {
  readonly key: string | undefined;
  readonly prefix: string | undefined;
  readonly start: string | undefined;
  readonly end: string | undefined;
  readonly from: number | undefined;
  readonly only: "put" | "delete" | undefined;
  readonly prev: boolean;
  readonly count: number | undefined;
  readonly cursor: string | undefined;
  readonly exec: string | undefined;
  readonly keyEncoding: KeyEncoding;
}

export async function watch(request: WatchRequest, context: Context): Promise<void> {
  const selection = selectionOf(request);
  const { timeoutMs } = context.globals;
  const cursor = request.cursor === undefined ? null : new Cursor(request.cursor);
  using client = libraryClient(context);
  const from = cursor?.next ?? request.from ?? (await client.revision()) + 1;
  cursor?.reached(from - 1);
  context.output.note(`watching from revision ${String(from)}`);
  const signal = timeoutMs === null ? undefined : AbortSignal.timeout(timeoutMs);
  try {
    await follow(client, { request, selection, from, signal, cursor }, context);
  } catch (error) {
    if (signal?.aborted !== true || error !== signal.reason) throw error;
    throw new ProaError("WAIT_TIMEOUT", `Cannot go on watching: the ${String(timeoutMs)} ms of --timeout are over`);
  } finally {
    cursor?.save();
  }
}

async function follow(
  client: Client,
  watched: {
    readonly request: WatchRequest;
    readonly selection: WatchSelection;
    readonly from: number;
    readonly signal: AbortSignal | undefined;
    readonly cursor: Cursor | null;
  },
  context: Context,
): Promise<void> {
  const { request, selection, from, signal, cursor } = watched;
  const { only, prev: previous, exec } = request;
  let left = request.count ?? Infinity;
  const options = { from, only, previous, progress: cursor !== null, signal };
  for await (const { revision, events } of client.watch(selection, options)) {
    const wanted = events.slice(0, Math.min(left, events.length));
    if (exec === undefined) out(wanted.map((event) => shown(event, revision, context)).join(""));
    else for (const event of wanted) await run(exec, event, revision);
    left -= wanted.length;
    if (wanted.length === events.length) cursor?.reached(revision);
    if (left === 0) return;
  }
}

function selectionOf(request: WatchRequest): WatchSelection {
  const range = typedRange(request, "watch");
  if (request.key === undefined) {
    if (range === null) return {};
    return range.end === null ? { start: range.start } : { start: range.start, end: range.end };
  }
  if (range !== null) {
    throw new ProaError("USAGE", "Cannot run proa kv watch: a key and a range exclude each other", {
      hint: "see proa help kv watch",
    });
  }
  return { key: typedKey({ text: request.key, encoding: request.keyEncoding, verb: "watch" }) };
}

function objectOf(event: WatchEvent, revision: number): Readonly<Record<string, unknown>> {
  return { revision, ...eventJson({ ...event, modRevision: revision }) };
}

function shown(event: WatchEvent, revision: number, context: Context): string {
  if (context.output.mode !== "table") return jsonLine(objectOf(event, revision));
  const columns = [String(revision), event.kind, escapeBytes(event.key)];
  if (event.kind === "put") columns.push(escapeBytes(event.now.value));
  if (event.previous !== null) columns.push(`was ${escapeBytes(event.previous.value)}`);
  return `${columns.join("\t")}\n`;
}

/** Runs the command to its end, with the event as JSON on stdin and its parts in the environment. */
async function run(command: string, event: WatchEvent, revision: number): Promise<void> {
  const env = { ...process.env, ...environmentOf(event, revision) };
  const child = spawn(command, { shell: true, env, stdio: ["pipe", "inherit", "inherit"] });
  const ended = new Promise<string | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve(code === 0 ? null : signal === null ? `with ${String(code)}` : `by ${signal}`);
    });
  });
  child.stdin.on("error", () => undefined); // it may end without reading
  child.stdin.end(jsonLine(objectOf(event, revision)));
  const failure = await ended;
  if (failure === null) return;
  throw new ProaError("CHECK_FAILED", `Cannot go on: the command ended ${failure} on revision ${String(revision)}`, {
    hint: "with --cursor the next run begins with this revision",
  });
}

/** The parts that an environment can carry: text without a zero byte. */
function environmentOf(event: WatchEvent, revision: number): Readonly<Record<string, string>> {
  const variables: Record<string, string> = { PROA_EVENT: event.kind, PROA_REVISION: String(revision) };
  const add = (name: string, bytes: Uint8Array): void => {
    const text = utf8Text(bytes);
    if (text !== null && !text.includes("\0") && text.length < longestVariable) variables[name] = text;
  };
  add("PROA_KEY", event.key);
  if (event.now !== null) add("PROA_VALUE", event.now.value);
  return variables;
}

/** Systems refuse to start a program with a longer variable; the whole value is on stdin. Characters. */
const longestVariable = 30_000;

/** How long the file may lag behind what was done, in milliseconds: so much is seen again after a power cut. */
const saveMs = 100;

/** How far a watcher is, in a file. */
class Cursor {
  private readonly path: string;
  private revision: number | null;
  private isDirty = false;
  private isTimed = false;

  /** Throws USAGE where the file is not a cursor. */
  constructor(path: string) {
    this.path = path;
    this.revision = readCursor(path);
    process.on("exit", () => {
      this.save();
    });
  }

  /** The revision to begin with; null where nothing is known. */
  get next(): number | null {
    return this.revision === null ? null : this.revision + 1;
  }

  /** All up to `revision` is done. */
  reached(revision: number): void {
    if (revision === this.revision) return;
    this.isDirty = true;
    const isFirst = this.revision === null;
    this.revision = revision;
    if (isFirst)
      this.save(); // so that nothing is missed if this run ends before its first event
    else if (!this.isTimed) {
      this.isTimed = true;
      setTimeout(() => {
        this.isTimed = false;
        this.save();
      }, saveMs).unref();
    }
  }

  save(): void {
    if (!this.isDirty) return;
    try {
      replaceFile(this.path, jsonLine({ revision: this.revision }));
      this.isDirty = false;
    } catch (error) {
      throw new ProaError("LOCAL_RESOURCE", `Cannot write the cursor ${this.path}: ${String(error)}`, { cause: error });
    }
  }
}

function readCursor(path: string): number | null {
  const object = readJsonObject(path);
  const revision = object?.["revision"];
  if (typeof revision === "number" && Number.isSafeInteger(revision) && revision >= 0) return revision;
  if (object === null && !existsSync(path)) return null;
  throw new ProaError("USAGE", `Cannot use ${path} as a cursor: it is not {"revision":N}`, {
    hint: "name a file that does not exist, or one that an earlier run has written",
  });
}
