/** What `proa node stop` and `proa node status` do to a node that another process runs. */
import { resolve } from "node:path";
import type { Context } from "../context.ts";
import { endpointsOf } from "../endpoints.ts";
import { table } from "../table.ts";
import { HttpClient } from "../../src/client/http_client.ts";
import { isRecord, parseJson } from "../../src/client/json.ts";
import { ProaError } from "../../src/lib/errors.ts";
import type { NodeFile } from "../../src/local/node_file.ts";
import { findNode, killNode, stopNode } from "../../src/local/node_process.ts";

/** Ends the node that serves a data directory. */
export async function stopNodeOf(
  { data, force }: { readonly data: string; readonly force: boolean },
  { runtime, output, deadline }: Context,
): Promise<void> {
  const node = nodeOf(data, runtime);
  const gone = force ? await killNode(node, deadline) : await stopNode(node, deadline);
  if (!gone) {
    throw new ProaError(
      "LOCAL_RESOURCE",
      `Cannot stop node ${String(node.id)}: process ${String(node.pid)} has not ended yet`,
      {
        hint: force
          ? "its disk may hang; wait longer with --timeout 1m"
          : "wait longer with --timeout 1m, or end it with --force",
        applied: "unknown",
      },
    );
  }
  output.confirmation(
    { id: node.id, pid: node.pid, forced: force },
    `stopped node ${String(node.id)} (pid ${String(node.pid)})`,
  );
}

/** Prints the node's own view. */
export async function showNode({ data }: { readonly data: string | undefined }, context: Context): Promise<void> {
  const { output, deadline } = context;
  const endpoints = data === undefined ? endpointsOf(context).slice(0, 1) : [nodeOf(data, context.runtime).service];
  const client = new HttpClient({ endpoints, deadline, trace: (line) => output.trace(line) });
  const answer = await client.read({ method: "GET", path: "/api/status", doing: "ask the node for its status" });
  const status = parseJson(answer.body);
  if (!isRecord(status)) {
    throw new ProaError("INTERNAL", `Cannot read the status that ${answer.endpoint} sent: it is not a JSON object`, {
      hint: "is it the service port of a node?",
    });
  }
  output.result(status, () => factLines(status));
}

/** One line for each fact, the nested ones as JSON: nothing that the node says is left out. */
function factLines(status: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(status).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return table([{ title: "FACT" }, { title: "VALUE" }], rows);
}

function nodeOf(data: string, runtime: Context["runtime"]): NodeFile {
  const directory = resolve(data);
  const node = findNode(runtime, directory);
  if (node !== null) return node;
  throw new ProaError("NOT_FOUND", `Cannot find a node in ${directory}: none runs there`, {
    hint: `start one with: proa node start --data ${data} --id … --servers …`,
  });
}
