/** `proa node`: one node of a cluster, as a process. */
import { command, flag, option } from "../command.ts";
import type { OptionSpec, Parse } from "../command.ts";
import { nodeSettingFlags } from "../config/node_settings.ts";
import { text } from "../parsers.ts";
import { ProaError } from "../../src/lib/errors.ts";

const config = option("file", text, "a file with settings, see proa help config", { defaultText: "$PROA_CONFIG" });

const start = command({
  path: ["node", "start"],
  summary: "Run a node in the foreground until it is told to stop",
  description:
    "All nodes of a cluster are started with the same server list. What happens is logged on stderr. SIGTERM and SIGINT end the node in order; " +
    "whatever happens to its process, all that it acknowledged is on its disk. Each setting may also come from a variable, such as PROA_LOG_LEVEL, " +
    "or from the file that --config names: a flag wins over a variable, a variable over the file.",
  args: {},
  options: {
    ...nodeSettingFlags,
    config,
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
    { command: "proa node start --config node.toml --id 2", does: "one file for all nodes, but for what differs" },
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
