/** `POST /v1/batch`: many operations in one request, in their order, each with a result of its own. */
import { batchOperation, resultJson } from "../client/batch_operations.ts";
import type { BatchResult } from "../client/batch_operations.ts";
import type { Operation } from "../client/frame.ts";
import { isRecord, parseJson } from "../client/json.ts";
import { runsOf } from "../client/runs.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { ProaError } from "../lib/errors.ts";
import { submit } from "./exchange.ts";
import type { Exchange, Handler } from "./exchange.ts";
import { jsonResponse } from "./responses.ts";
import { parseQuery } from "./target.ts";

export const postBatch: Handler = async (exchange) => {
  const { context, request, target, deadline } = exchange;
  const { limits, node } = context;
  parseQuery(target.query, []);
  const body = await context.bodies.receive(request, {
    action: "run the batch",
    what: "the body",
    bytesMax: limits.batchBytesMax,
    deadline,
  });
  const operations = operationsOf(body, limits.queriesMax);
  const results: BatchResult[] = [];
  for (const run of runsOf(operations)) results.push(...(await runOne(exchange, run)));
  return jsonResponse(node, { status: 200 }, { results: results.map(resultJson) });
};

interface Item {
  readonly operation: Operation<BatchResult>;
}

/** All operations, before any of them is run: a request that is wrong somewhere does nothing at all. */
function operationsOf(body: Uint8Array, operationsMax: number): readonly Item[] {
  const value = parseJson(body);
  const operations = isRecord(value) ? value["ops"] : undefined;
  if (!isRecord(value) || !Array.isArray(operations) || Object.keys(value).length !== 1) {
    throw invalid('the body is not {"ops":[…]}');
  }
  if (operations.length === 0) throw invalid("it holds no operation");
  if (operations.length > operationsMax) {
    const reason = `it holds ${operations.length} operations, the limit is ${operationsMax}`;
    throw new ProaError("TOO_LARGE", `Cannot run the batch: ${reason}`, { hint: "send several batches" });
  }
  return operations.map((operation: unknown, at) => {
    try {
      return { operation: batchOperation(operation) };
    } catch (error) {
      if (!(error instanceof ProaError)) throw error;
      const detail = error.hint === undefined ? {} : { hint: error.hint };
      throw new ProaError(error.code, `${error.message} (operation ${at + 1} of the batch; nothing was run)`, detail);
    }
  });
}

async function runOne(exchange: Exchange, run: readonly Item[]): Promise<readonly BatchResult[]> {
  const kind = run[0]?.operation.kind ?? "read";
  const writer = new ByteWriter();
  for (const { operation } of run) operation.encode(writer);
  const batch = { kind, consistency: "linearizable", count: run.length, body: writer.take() } as const;
  try {
    return await submit(exchange, batch, (answer) => run.map(({ operation }) => operation.decode(answer)));
  } catch (error) {
    if (!(error instanceof ProaError)) throw error;
    return run.map(() => ({ ok: false, error }));
  }
}

function invalid(reason: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot run the batch: ${reason}`, {
    hint: 'send {"ops":[{"op":"put","key":"a","value":"1"},{"op":"get","key":"a"},{"op":"del","key":"a"}]}',
  });
}
