/** `proa demo`: a whole cluster on this machine, to learn, to test and to show. */
import { command, flag, InvalidValueError, option, optional, optionOr, rest } from "../command.ts";
import type { Parse } from "../command.ts";
import { choice, integer, text } from "../parsers.ts";

const nodesMax = 9;
const nodeId = integer(1, nodesMax);
const linesMax = 100_000;

const dir = option("directory", text, "where the cluster keeps its data and logs", {
  defaultText: "~/.local/state/proa/demo",
});
const nodes = option("number", integer(1, nodesMax), `how many nodes, 1 to ${String(nodesMax)}`, {
  defaultText: "as many as there are data for, else 3",
});

/** A node id, or the word for whoever leads. */
const nodeOrLeader: Parse<number | "leader"> = (value) => {
  if (value === "leader") return "leader";
  try {
    return nodeId(value);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new InvalidValueError(`expected a node id from 1 to ${String(nodesMax)}, or leader`);
  }
};

const transport = option(
  "kind",
  choice("tcp", "udp"),
  "what carries the messages between the nodes: tcp or udp, whatever it was the last time",
  { defaultText: "as the last time, else tcp" },
);

const foreground = command({
  path: ["demo"],
  summary: "Run a cluster of three nodes on this machine",
  description:
    "Runs until it is interrupted, and its nodes end with it. On a terminal it takes commands, without the word proa. " +
    "Data is kept for the next time. All commands find the cluster without --endpoints while it runs.",
  args: {},
  options: { nodes, transport, dir },
  examples: [
    { command: "proa demo", does: "three nodes, until Ctrl-C" },
    { command: "proa demo --nodes 5", does: "five, which survive the loss of two" },
    { command: "proa demo --transport udp", does: "the same data, messages in datagrams" },
    { command: "proa demo up && proa kv put greeting hello", does: "the same in the background" },
  ],
  run: async ({ options }, context) => {
    const { runForeground } = await import("./demo_foreground.ts");
    await runForeground(options, context);
  },
});

const up = command({
  path: ["demo", "up"],
  summary: "Start the cluster in the background, and wait until it serves",
  description:
    "Starts the nodes that do not run, and does nothing when all do. Waits for 30 s unless --timeout says otherwise.",
  args: {},
  options: { nodes, transport, dir },
  examples: [
    { command: "proa demo up && proa kv put greeting hello", does: "a write right after the start" },
    { command: "proa demo up --nodes 1 --dir ./one", does: "a single node, with its data at hand" },
  ],
  run: async ({ options }, context) => {
    const { startBackground } = await import("./demo_start.ts");
    await startBackground(options, context);
  },
});

const status = command({
  path: ["demo", "status"],
  summary: "Show the processes of the cluster",
  description: "Exits with 3 when none runs.",
  args: {},
  options: { dir },
  examples: [
    { command: "proa demo status", does: "nodes, processes, ports and roles" },
    { command: "proa demo status --json", does: "the same for a script, with the paths of data and logs" },
  ],
  run: async ({ options }, context) => {
    const { showStatus } = await import("./demo_verbs.ts");
    await showStatus(options, context);
  },
});

const env = command({
  path: ["demo", "env"],
  summary: "Print what makes a shell talk to the cluster",
  args: {},
  options: {
    shell: optionOr("name", choice("sh", "fish", "powershell"), "sh", "the language to print: sh, fish or powershell"),
    dir,
  },
  examples: [
    { command: 'eval "$(proa demo env)"', does: "sh, bash, zsh" },
    { command: "proa demo env --shell fish | source", does: "fish" },
    { command: "proa demo env --shell powershell | Invoke-Expression", does: "PowerShell" },
  ],
  run: async ({ options }, context) => {
    const { showEnvironment } = await import("./demo_verbs.ts");
    showEnvironment(options, context);
  },
});

const logs = command({
  path: ["demo", "logs"],
  summary: "Print what the nodes log",
  args: { node: optional(nodeId, "the node; all nodes when left out") },
  options: {
    lines: optionOr("number", integer(0, linesMax), "20", "how many of the last lines of each node"),
    follow: flag("go on with what the nodes log from now on, until Ctrl-C", "f"),
    dir,
  },
  examples: [
    { command: "proa demo logs", does: "the end of each log" },
    { command: "proa demo logs 2 --follow", does: "what node 2 does" },
  ],
  run: async ({ args, options }, context) => {
    const { showLogs } = await import("./demo_logs.ts");
    await showLogs({ ...args, ...options }, context);
  },
});

const kill = command({
  path: ["demo", "kill"],
  summary: "End nodes as a power cut would (SIGKILL)",
  description: "Ends all of them or, when one does not run, none and exits with 5.",
  args: { nodes: rest(nodeOrLeader, "node ids, or leader") },
  options: { dir },
  examples: [
    { command: "proa demo kill leader", does: "watch the others elect another" },
    { command: "proa demo kill 1 2", does: "leave three nodes without a majority" },
  ],
  run: async ({ args, options }, context) => {
    const { killNodes } = await import("./demo_verbs.ts");
    await killNodes({ ...args, ...options }, context);
  },
});

const restart = command({
  path: ["demo", "restart"],
  summary: "Start nodes again, whether they run or not",
  description:
    "Waits until each of them answers, for 30 s unless --timeout says otherwise; it may still have to find a leader.",
  args: { nodes: rest(nodeId, "node ids") },
  options: { dir },
  examples: [
    { command: "proa demo restart 2", does: "bring back a node that was killed" },
    { command: "proa demo restart 1 2 3 && proa wait ready", does: "all, one after the other" },
  ],
  run: async ({ args, options }, context) => {
    const { restartNodes } = await import("./demo_verbs.ts");
    await restartNodes({ ...args, ...options }, context);
  },
});

const down = command({
  path: ["demo", "down"],
  summary: "Stop the cluster",
  description: "Keeps the data, and does nothing when no node runs.",
  args: {},
  options: { wipe: flag("delete all data and logs of the cluster, too"), dir },
  examples: [
    { command: "proa demo down", does: "proa demo up goes on with the same data" },
    { command: "proa demo down --wipe", does: "the next start begins with nothing" },
  ],
  run: async ({ options }, context) => {
    const { stopCluster } = await import("./demo_verbs.ts");
    await stopCluster(options, context);
  },
});

export const demoCommands = [foreground, up, status, env, logs, kill, restart, down] as const;
