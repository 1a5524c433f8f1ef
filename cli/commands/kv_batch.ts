/** What `proa kv batch` does: operations line by line, in their order, many at a time, and a result for each line. */
import type { Context } from "../context.ts";
import { escapeBytes, unescapeText } from "../escape.ts";
import { libraryClient } from "../library.ts";
import { readLines } from "../line_reader.ts";
import type { Line } from "../line_reader.ts";
import { jsonLine, out } from "../output.ts";
import { batchOperation, resultJson } from "../../src/client/batch_operations.ts";
import type { BatchResult } from "../../src/client/batch_operations.ts";
import type { Client } from "../../src/client/client.ts";
import type { Operation } from "../../src/client/frame.ts";
import { parseJson } from "../../src/client/json.ts";
import { bytesOfJson, jsonBytes, utf8Text } from "../../src/client/key_text.ts";
import { runsOf } from "../../src/client/runs.ts";
import { ProaError } from "../../src/lib/errors.ts";

export interface BatchRequest {
  readonly file: string;
  readonly stopOnError: boolean;
}

/** One line that was read: what to do, or what is wrong with it. */
interface Item {
  readonly line: number;
  readonly operation: Operation<BatchResult>;
}

interface Outcome {
  readonly line: number;
  readonly result: BatchResult;
}

export async function batch({ file, stopOnError }: BatchRequest, context: Context): Promise<void> {
  const tally = new Tally();
  using client = libraryClient(context);
  for await (const lines of readLines(file)) {
    for (const group of stopOnError ? lines.map((line) => [line]) : [lines]) {
      for await (const outcomes of run(client, group)) {
        out(outcomes.map((outcome) => shown(outcome, context)).join(""));
        tally.add(outcomes);
        const failure = stopOnError ? tally.failure("and nothing behind it was run") : null;
        if (failure !== null) throw failure;
      }
    }
  }
  const failure = tally.failure("the others were run");
  if (failure !== null) throw failure;
}

/** The results of `lines` in their order, as they come. Lines of one kind share a frame; what follows waits for it. */
async function* run(client: Client, lines: readonly Line[]): AsyncGenerator<readonly Outcome[], void, void> {
  let items: Item[] = [];
  for (const line of lines) {
    const parsed = parseLine(line);
    if (parsed === null) continue;
    if ("operation" in parsed) {
      items.push(parsed);
      continue;
    }
    yield* runItems(client, items);
    items = [];
    yield [parsed];
  }
  yield* runItems(client, items);
}

async function* runItems(client: Client, items: readonly Item[]): AsyncGenerator<readonly Outcome[], void, void> {
  for (const run of runsOf(items)) {
    yield await Promise.all(
      run.map(async ({ line, operation }) => ({ line, result: await client.run(operation).catch(resultOfError) })),
    );
  }
}

function resultOfError(error: unknown): BatchResult {
  if (error instanceof ProaError) return { ok: false, error };
  throw error;
}

/** Null for an empty line. A line that begins with `{` is JSON, any other has fields between tabs. */
function parseLine({ number, bytes }: Line): Item | Outcome | null {
  if (bytes.length === 0) return null;
  try {
    const value = bytes[0] === 0x7b ? parseJson(bytes) : fieldsOf(bytes);
    if (value === undefined) throw invalidLine("it begins with { and is not JSON");
    return { line: number, operation: batchOperation(value) };
  } catch (error) {
    return { line: number, result: resultOfError(error) };
  }
}

/** `put KEY VALUE`, `get KEY` or `del KEY`, with tabs between, as the JSON object that means the same. */
function fieldsOf(bytes: Uint8Array): unknown {
  const text = utf8Text(bytes);
  if (text === null) throw invalidLine("it is not UTF-8: write other bytes as \\xNN");
  const [op = "", ...fields] = text.split("\t");
  const names = op === "put" ? ["key", "value"] : ["key"];
  if (!["put", "get", "del"].includes(op)) throw invalidLine(`it begins with ${JSON.stringify(op.slice(0, 20))}`);
  if (fields.length !== names.length) {
    throw invalidLine(
      `${op} takes ${names.join(" and ")}, ${String(names.length)} fields, not ${String(fields.length)}`,
    );
  }
  const record: Record<string, unknown> = { op };
  for (const [at, name] of names.entries()) {
    const value = unescapeText(fields[at] ?? "");
    if (value === null) throw invalidLine(`${name} has a backslash before something else than x, t, n, r or \\`);
    Object.assign(record, jsonBytes(name, value));
  }
  return record;
}

function invalidLine(reason: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot read the line: ${reason}`, { hint: "see proa help kv batch" });
}

function shown({ line, result }: Outcome, context: Context): string {
  if (context.output.mode !== "table") return jsonLine({ line, ...resultJson(result) });
  if (!result.ok) return `error ${result.error.code} ${result.error.message}\n`;
  const { revision, deleted } = result.fields;
  const value = bytesOfJson("value", result.fields);
  if (value !== null) return `${escapeBytes(value)}\n`;
  return `ok rev=${String(revision)}${typeof deleted === "number" ? ` deleted=${String(deleted)}` : ""}\n`;
}

/** Exit statuses from the one that a caller must know of first to the most harmless one. */
const gravity: readonly number[] = [1, 4, 3, 8, 2, 6, 5];

/** Counts what failed, and remembers the gravest failure. */
class Tally {
  failed = 0;
  private lines = 0;
  private gravest: { readonly line: number; readonly error: ProaError } | null = null;

  add(outcomes: readonly Outcome[]): void {
    for (const { line, result } of outcomes) {
      this.lines++;
      if (result.ok) continue;
      this.failed++;
      const { error } = result;
      if (this.gravest === null || rank(error) < rank(this.gravest.error)) this.gravest = { line, error };
    }
  }

  /** The error that the command ends with: that of the gravest line, where there is one. */
  failure(rest: string): ProaError | null {
    if (this.gravest === null) return null;
    const { line, error } = this.gravest;
    const text = `Cannot run ${String(this.failed)} of ${String(this.lines)} lines, ${rest}; line ${String(line)}: ${error.message}`;
    const { hint, tried, code } = error;
    const applied = this.failed < this.lines && error.applied === "no" ? "unknown" : error.applied;
    return new ProaError(code, text, { applied, tried, ...(hint === undefined ? {} : { hint }) });
  }
}

function rank({ exit }: ProaError): number {
  const at = gravity.indexOf(exit);
  return at === -1 ? 0 : at;
}
