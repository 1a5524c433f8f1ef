/** Runs a probe: begins puts by the clock, survives whatever becomes of them, and sums up when it is told to end. */
import type { Context } from "../context.ts";
import { endpointsOf } from "../endpoints.ts";
import { jsonLine, out } from "../output.ts";
import { RunEnd } from "../run_end.ts";
import { HttpClient, sleep } from "../../src/client/http_client.ts";
import { putKey } from "../../src/client/kv_requests.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { typedKey } from "../key_encoding.ts";
import { type ProbedPut, ProbeRecord, putJson, putText, summaryText } from "./probe_record.ts";

export interface ProbeRequest {
  /** Milliseconds. */
  readonly interval: number;
  readonly count: number | undefined;
  /** Milliseconds. */
  readonly patience: number;
  readonly key: string;
}

export async function runProbe(request: ProbeRequest, context: Context): Promise<void> {
  const key = typedKey({ text: request.key, encoding: "text", verb: "probe" });
  const record = new ProbeRecord(request.interval);
  const end = new RunEnd(context);
  const countMax = request.count ?? Infinity;
  for (let number = 1; number <= countMax && !end.hasCome(); number++) {
    const next = performance.now() + request.interval;
    const put = await end.before(probeOnce({ ...request, key, number }, context));
    if (put === null) break; // what becomes of it will not be known
    record.add(put);
    tell(put, context);
    if (number < countMax) await end.before(sleep(Math.max(0, next - performance.now())));
  }
  const summary = record.summary();
  context.output.result(summary, () => summaryText(summary));
  end.exitIfSignalled();
  if (summary.ok === 0) throw nothingAcknowledged(summary.windows[0]?.reason ?? "the time was over");
}

/** One put and its end. */
async function probeOnce(
  { key, number, patience }: { readonly key: Uint8Array; readonly number: number; readonly patience: number },
  context: Context,
): Promise<ProbedPut> {
  const sentAt = wallClock();
  const client = new HttpClient({
    endpoints: endpointsOf(context),
    deadline: performance.now() + patience,
    trace: (line) => {
      context.output.trace(line);
    },
  });
  const value = new TextEncoder().encode(`${number} ${new Date(sentAt).toISOString()}`);
  try {
    const { revision } = await putKey(client, { key, value, condition: null, requestId: null });
    return { number, sentAt, endedAt: wallClock(), outcome: "ok", revision, reason: null };
  } catch (error) {
    if (!(error instanceof ProaError)) throw error;
    const outcome = error.applied === "no" ? "not_applied" : "unknown";
    return { number, sentAt, endedAt: wallClock(), outcome, revision: null, reason: error.message };
  }
}

/** Milliseconds since 1970, which go on evenly whatever happens to the clock of the machine. */
function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

function tell(put: ProbedPut, { output }: Context): void {
  if (output.mode === "jsonl") out(jsonLine(putJson(put)));
  else if (output.mode === "table" && !output.quiet) out(putText(put));
}

function nothingAcknowledged(reason: string): ProaError {
  return new ProaError("UNREACHABLE", `Cannot say that the cluster serves: no put was acknowledged: ${reason}`, {
    hint: "see proa cluster status",
    applied: "unknown",
  });
}
