/** What `proa kv txn` does: reads a transaction, as JSON or as lines, has it run, and prints what came of it. */
import { clientOf } from "../client.ts";
import type { Context } from "../context.ts";
import { escapeBytes, unescapeText } from "../escape.ts";
import { readText } from "../text_file.ts";
import { isRecord } from "../../src/client/json.ts";
import { bytesOfJson, jsonBytes } from "../../src/client/key_text.ts";
import { runTxn } from "../../src/client/kv_requests.ts";
import { ProaError } from "../../src/lib/errors.ts";

/** What a node takes as the body of one request. */
const bodyBytesMax = 6 * 1024 * 1024;

export interface TxnRequest {
  readonly file: string;
  readonly must: boolean;
  readonly requestId: string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

export async function txn({ file, must, requestId }: TxnRequest, context: Context): Promise<void> {
  const text = readText(file, { what: "the transaction", bytesMax: bodyBytesMax });
  const body = text.trimStart().startsWith("{") ? jsonOf(text) : txnOfLines(text);
  const outcome = await runTxn(clientOf(context), { json: JSON.stringify(body), requestId });
  context.output.result(outcome, () => outcomeText(outcome));
  if (!must || outcome.succeeded) return;
  throw new ProaError("PRECONDITION_FAILED", "Cannot do what then says: a comparison did not hold, else was done", {
    applied: "yes",
    hint: "without --must this is no error",
    revision: outcome.revision,
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw usage(`it begins with { and is not JSON: ${error.message}`);
  }
}

/** `if TARGET KEY RELATION OPERAND`, `if exists KEY`, `if missing KEY`, and `then` or `else` with an operation. */
export function txnOfLines(text: string): Fields {
  const lists = { compare: new Array<Fields>(), then: new Array<Fields>(), else: new Array<Fields>() };
  for (const [at, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const refuse = (reason: string): ProaError => usage(`line ${at + 1}: ${reason}`);
    const word = line.includes("\t") ? wordBeforeTab : wordBeforeBlank;
    const [first, rest] = word(line.trimStart());
    if (first === "if") lists.compare.push(comparisonOf(rest, word, refuse));
    else if (first === "then" || first === "else") lists[first].push(operationOf(rest, word, refuse));
    else throw refuse(`it begins with ${JSON.stringify(first)}, not if, then or else`);
  }
  return lists;
}

type Refuse = (reason: string) => ProaError;

function comparisonOf(text: string, word: Word, refuse: Refuse): Fields {
  const [target, afterTarget] = word(text);
  const [key, afterKey] = word(afterTarget);
  const [is, operand] = word(afterKey);
  if (key === "") throw refuse("a comparison is: if TARGET KEY RELATION OPERAND");
  if (target === "exists" || target === "missing") {
    if (afterKey !== "") throw refuse(`nothing follows the key behind ${target}`);
    return { ...bytes("key", key, refuse), exists: target === "exists" };
  }
  const shared = { ...bytes("key", key, refuse), target, is };
  if (target === "value") return { ...shared, ...bytes("value", operand, refuse) };
  if (!/^\d{1,16}$/.test(operand)) throw refuse(`${target} is compared with a whole number`);
  return { ...shared, number: Number(operand) };
}

function operationOf(text: string, word: Word, refuse: Refuse): Fields {
  const [op, afterOp] = word(text);
  const [key, value] = word(afterOp);
  if (op === "put-lease") return leasedPutOf(afterOp, word, refuse);
  if (op === "put" && key !== "") return { op, ...bytes("key", key, refuse), ...bytes("value", value, refuse) };
  if ((op === "get" || op === "del") && key !== "" && value === "") return { op, ...bytes("key", key, refuse) };
  if ((op === "range" || op === "del-prefix") && value === "")
    return { op: op === "range" ? op : "del", ...bytes("prefix", key, refuse) };
  throw refuse(
    "an operation is: put KEY VALUE, put-lease ID KEY VALUE, get KEY, del KEY, del-prefix PREFIX, or range PREFIX",
  );
}

function leasedPutOf(text: string, word: Word, refuse: Refuse): Fields {
  const [lease, afterLease] = word(text);
  const [key, value] = word(afterLease);
  if (!/^\d{1,16}$/.test(lease) || key === "") throw refuse("it is put-lease ID KEY VALUE, and an id is a number");
  return { op: "put", lease: Number(lease), ...bytes("key", key, refuse), ...bytes("value", value, refuse) };
}

/** The first word, and what follows it. */
type Word = (text: string) => readonly [string, string];

const wordBeforeTab: Word = (text) => split(/^([^\t]*)\t(.*)$/s, text);
const wordBeforeBlank: Word = (text) => split(/^(\S*) +(.*)$/s, text);

function split(pattern: RegExp, text: string): readonly [string, string] {
  const match = pattern.exec(text);
  return match === null ? [text, ""] : [match[1] ?? "", match[2] ?? ""];
}

function bytes(name: string, text: string, refuse: Refuse): Fields {
  const plain = unescapeText(text);
  if (plain === null) throw refuse(`a backslash in the ${name} is neither \\xNN nor \\t, \\n, \\r or \\\\`);
  return jsonBytes(name, plain);
}

function outcomeText({ succeeded, revision, results }: Awaited<ReturnType<typeof runTxn>>): string {
  const head = `${succeeded ? "then" : "else"} rev=${revision}\n`;
  return head + results.map(resultText).join("");
}

function resultText(result: Fields): string {
  const valueOf = (fields: Fields): string => escapeBytes(bytesOfJson("value", fields) ?? new Uint8Array());
  switch (result["op"]) {
    case "put":
      return "put\n";
    case "del":
      return `del\t${String(result["deleted"])}\n`;
    case "get":
      return result["found"] === true ? `get\t${valueOf(result)}\n` : "get\n";
    case "range": {
      const kvs = Array.isArray(result["kvs"]) ? result["kvs"].filter(isRecord) : [];
      const lines = kvs.map((kv) => `\t${escapeBytes(bytesOfJson("key", kv) ?? new Uint8Array())}\t${valueOf(kv)}\n`);
      return `range\t${kvs.length}${result["more"] === true ? "+" : ""}\n${lines.join("")}`;
    }
    default:
      return "left out: the answers are too large together\n";
  }
}

function usage(reason: string): ProaError {
  return new ProaError("USAGE", `Cannot read the transaction: ${reason}`, { hint: "see proa help kv txn" });
}
