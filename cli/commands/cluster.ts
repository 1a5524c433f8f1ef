/** `proa cluster`: the whole cluster at a glance. */
import { command, flag, optionWithBare, rest } from "../command.ts";
import { duration, text } from "../parsers.ts";

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

const set = command({
  path: ["cluster", "set"],
  summary: "Show or change the settings of the cluster",
  description:
    "Settings stand in the log, so that all nodes go by the same ones. Without arguments it shows them. " +
    "history_revisions: how many revisions can be read besides the newest. history_bytes: how much memory old versions may take. " +
    "The leader compacts what is beyond either, as soon as it is a tenth too much.",
  args: { settings: rest(text, "NAME=VALUE, any number of them; bytes also as 64KiB, 256MiB, 1GiB") },
  options: {},
  examples: [
    { command: "proa cluster set", does: "shows all settings" },
    { command: "proa cluster set history_revisions=1000", does: "keeps a thousand revisions" },
    { command: "proa cluster set history_bytes=1GiB history_revisions=1000000", does: "two at once" },
  ],
  run: async ({ args }, context) => {
    const { set } = await import("./settings_verbs.ts");
    await set(args.settings, context);
  },
});

export const clusterCommands = [status, set];
