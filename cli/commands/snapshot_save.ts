/** What `proa snapshot save` does: takes a snapshot in as fast as it comes, and believes it only as a whole. */
import type { Context } from "../context.ts";
import { timeoutMsDefault } from "../context.ts";
import { clientOf } from "../client.ts";
import { out, stdoutIsTerminal } from "../output.ts";
import { WholeFile } from "../whole_file.ts";
import { classifyFetchFailure } from "../../src/client/fetch_failure.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { DigestCheck, openFileBytes, SavedSnapshot } from "../../src/storage/mod.ts";
import { snapshotFacts } from "./snapshot_facts.ts";

export interface SaveRequest {
  readonly file: string;
  readonly consistency: "linearizable" | "stale";
}

const doing = "save a snapshot";

export async function saveSnapshot({ file, consistency }: SaveRequest, context: Context): Promise<void> {
  if (file === "-") return saveToStdout(consistency, context);
  const target = new WholeFile(file);
  try {
    await receive(consistency, context, (bytes) => {
      target.append(bytes);
    });
    target.commit();
  } finally {
    target.abort();
  }
  const saved = new SavedSnapshot(openFileBytes(file));
  const facts = snapshotFacts(saved);
  saved.close();
  const { revision, keys, bytes } = facts;
  const text = `saved revision ${String(revision)}, ${String(keys)} keys, ${String(bytes)} bytes to ${file}`;
  context.output.confirmation({ file, ...facts }, text);
}

async function saveToStdout(consistency: SaveRequest["consistency"], context: Context): Promise<void> {
  if (stdoutIsTerminal()) {
    throw new ProaError("USAGE", "Cannot save a snapshot to a terminal: it is no text", {
      hint: "name a file, or send it on: proa snapshot save - | …",
    });
  }
  const bytes = await receive(consistency, context, out);
  context.output.note(`saved ${String(bytes)} bytes`);
}

/** Hands on what one node sends, and returns how much that was. Throws unless it was whole. */
async function receive(
  consistency: SaveRequest["consistency"],
  context: Context,
  take: (bytes: Uint8Array) => void,
): Promise<number> {
  const check = new DigestCheck();
  let total = 0;
  await clientOf(context).read({
    method: "GET",
    path: `/v1/snapshot?consistency=${consistency}`,
    doing,
    take: async (body, endpoint) => {
      for await (const bytes of piecesOf(body, { endpoint, pauseMs: context.globals.timeoutMs ?? timeoutMsDefault })) {
        check.update(bytes);
        take(bytes);
        total += bytes.length;
      }
      if (!check.isWhole()) throw brokenOff(endpoint, "what it sent does not match its digest");
    },
  });
  return total;
}

/** Throws UNREACHABLE when the node breaks off, or pauses for longer than `pauseMs`. */
async function* piecesOf(
  body: ReadableStream<Uint8Array>,
  { endpoint, pauseMs }: { readonly endpoint: string; readonly pauseMs: number },
): AsyncIterable<Uint8Array> {
  const reader = body.getReader();
  const late = new AbortController();
  for (;;) {
    const timer = setTimeout(() => {
      late.abort();
      void reader.cancel();
    }, pauseMs);
    try {
      const { done, value } = await reader.read();
      if (late.signal.aborted) throw brokenOff(endpoint, `it sent nothing for ${String(pauseMs)} ms`);
      if (done) return;
      yield value;
    } catch (error) {
      if (error instanceof ProaError) throw error;
      throw brokenOff(endpoint, classifyFetchFailure(error).reason);
    } finally {
      clearTimeout(timer);
    }
  }
}

function brokenOff(endpoint: string, reason: string): ProaError {
  return new ProaError("UNREACHABLE", `Cannot ${doing}: ${endpoint} broke off (${reason})`, {
    hint: "nothing was changed: try again, perhaps with a longer --timeout",
  });
}
