/** `proa cluster`: the whole cluster at a glance. */
import { command, flag, optionWithBare } from "../command.ts";
import { duration } from "../parsers.ts";

const status = command({
  path: ["cluster", "status"],
  summary: "Show every node, and whether the cluster is healthy",
  description:
    "Asks all nodes for their own view, so it works without a quorum. quorum 2/3 means that two of three voters decide. " +
    "The cluster is healthy when a leader and every node answer; degraded when it serves and a node is missing.",
  args: {},
  options: {
    check: flag("exit with 7 unless the cluster is healthy"),
    watch: optionWithBare(
      "interval",
      duration,
      "1s",
      "show it again and again, every second or as given, until Ctrl-C",
    ),
  },
  examples: [
    { command: "proa cluster status", does: "once" },
    { command: "proa cluster status --watch", does: "every second" },
    { command: "proa cluster status --check || alert", does: "in a monitoring script" },
    { command: "proa cluster status --watch 5s --output jsonl >> status.jsonl", does: "a line every five seconds" },
  ],
  run: async ({ options }, context) => {
    const { status } = await import("./cluster_verbs.ts");
    await status(options, context);
  },
});

export const clusterCommands = [status];
