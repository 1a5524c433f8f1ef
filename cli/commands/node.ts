/** `proa node`: one node of a cluster, as a process. */
import { command, flag, option, optionOr } from "../command.ts";
import type { OptionSpec, Parse } from "../command.ts";
import { choice, duration, integer, text } from "../parsers.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { parseServers } from "../../src/local/server_list.ts";

const nodeIdMax = 0xffff_ffff;

const start = command({
  path: ["node", "start"],
  summary: "Run a node in the foreground until it is told to stop",
  description:
    "All nodes of a cluster are started with the same server list. What happens is logged on stderr. SIGTERM and SIGINT end the node in order; " +
    "whatever happens to its process, all that it acknowledged is on its disk.",
  args: {},
  options: {
    id: needed("id", "number", integer(1, nodeIdMax), "the id of this node in the server list"),
    servers: needed(
      "servers",
      "list",
      parseServers,
      "all nodes, as 'id,host:replicate[,host:service];…'; the service port defaults to the replicate port + 1000",
    ),
    data: needed("data", "directory", text, "where this node keeps its data, made when it does not exist"),
    cluster: optionOr("name", clusterName, "proa", "the name of the cluster: nodes of another name are strangers"),
    electionTimeout: option(
      "duration",
      duration,
      "how long a follower waits for its leader before it thinks of an election",
      {
        defaultText: "600ms",
      },
    ),
    heartbeat: option("duration", duration, "how often a leader makes itself heard", { defaultText: "100ms" }),
    logLevel: optionOr(
      "level",
      choice("debug", "info", "warn", "error"),
      "info",
      "the least important events that are logged: debug, info, warn or error",
    ),
    exitWithParent: flag("end when stdin ends, as it does when the process that started this one is gone"),
  },
  examples: [
    {
      command: "proa node start --id 1 --servers '1,127.0.0.1:4001;2,127.0.0.1:4002;3,127.0.0.1:4003' --data ./n1",
      does: "the first of three nodes on this machine; clients use port 5001",
    },
    {
      command: "proa node start --id 1 --servers '1,127.0.0.1:4001' --data ./n1",
      does: "a cluster of one node",
    },
    {
      command:
        "proa node start --id 2 --servers '1,10.0.0.1:4001,10.0.0.1:80;2,10.0.0.2:4001,10.0.0.2:80;3,10.0.0.3:4001,10.0.0.3:80' --data /var/lib/proa",
      does: "one of three machines, with service ports of your choice",
    },
  ],
  run: async ({ options }, context) => {
    const { runNode } = await import("./node_run.ts");
    await runNode(options, context);
  },
});

const stop = command({
  path: ["node", "stop"],
  summary: "End the node that serves a data directory, and wait until it is gone",
  description: "Exits with 5 when no node runs there.",
  args: {},
  options: {
    data: needed("data", "directory", text, "the data directory of the node"),
    force: flag("end it at once, as a power cut would (SIGKILL)"),
  },
  examples: [
    { command: "proa node stop --data ./n1", does: "in order" },
    { command: "proa node stop --data ./n1 --force", does: "when it does not react" },
  ],
  run: async ({ options }, context) => {
    const { stopNodeOf } = await import("./node_verbs.ts");
    await stopNodeOf(options, context);
  },
});

const status = command({
  path: ["node", "status"],
  summary: "Show what one node says about itself",
  description:
    "Asks the first endpoint, or the node that serves a data directory, and no other node. Needs neither leader nor quorum.",
  args: {},
  options: {
    data: option("directory", text, "ask the node that serves this data directory"),
  },
  examples: [
    { command: "proa node status -e 127.0.0.1:5002", does: "one node by its service port" },
    { command: "proa node status --data ./n1 --json", does: "one node by its data, for a script" },
  ],
  run: async ({ options }, context) => {
    const { showNode } = await import("./node_verbs.ts");
    await showNode(options, context);
  },
});

export const nodeCommands = [start, stop, status] as const;

/** An option that must be given. */
function needed<T>(name: string, placeholder: string, parse: Parse<T>, description: string): OptionSpec<T> {
  const spec = option(placeholder, parse, description);
  const read = (texts: readonly string[]): T => {
    const value = spec.read(texts);
    if (value !== undefined) return value;
    throw new ProaError("USAGE", `Cannot do this without --${name}`, {
      hint: `add --${name} <${placeholder}>: ${description}`,
    });
  };
  return { ...spec, read };
}

/** Names go into files and messages of all nodes. */
function clusterName(value: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value)) return value;
  throw new ProaError(
    "USAGE",
    `Cannot use the cluster name ${JSON.stringify(value)}: expected 1 to 63 letters, digits, dots, dashes or underscores`,
    {
      hint: "it begins with a letter or a digit",
    },
  );
}
