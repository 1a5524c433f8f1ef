/** `POST /v1/txn`: comparisons, and one of two lists of operations in one revision (docs/http.md). */
import { parseJson } from "../client/json.ts";
import { assert } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { ProaError } from "../lib/errors.ts";
import { leaseError, validateCommands, writeTxn } from "../wire/mod.ts";
import type { Handler } from "./exchange.ts";
import { submitCommand } from "./once.ts";
import { jsonResponse } from "./responses.ts";
import { parseQuery } from "./target.ts";
import { txnOfJson, txnResultJson } from "./txn_json.ts";

export const postTxn: Handler = async (exchange) => {
  const { context, request, target, deadline } = exchange;
  parseQuery(target.query, []);
  const bytesMax = context.limits.batchBytesMax;
  const wanted = { action: "run the transaction", what: "the body", bytesMax, deadline };
  const txn = txnOfJson(parseJson(await context.bodies.receive(request, wanted)));
  const writer = new ByteWriter();
  writeTxn(writer, txn);
  const check = validateCommands(writer.peek(), context.limits);
  if (!check.ok) throw new ProaError(check.code, check.message);
  const result = await submitCommand(exchange, writer.peek());
  const error = leaseError("run the transaction", result);
  if (error !== null) throw error;
  const { revision, body } = result;
  assert(body !== undefined, "a transaction answers with a body");
  return jsonResponse(context.node, { status: 200 }, txnResultJson(txn, { revision, body }));
};
