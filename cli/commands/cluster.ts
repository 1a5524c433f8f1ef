/** `proa cluster`: the whole cluster at a glance. */
import { command, flag, optional, optionWithBare, required, rest } from "../command.ts";
import { duration, integer, text } from "../parsers.ts";
import { ProaError } from "../../src/lib/errors.ts";

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

const plan = flag("only show what would be done, and whether it would be refused");
const nodeId = integer(1, 0xffff_ffff);

const members = command({
  path: ["cluster", "members"],
  summary: "Show who votes, who only receives the log, and where they listen",
  description:
    "As the leader sees it, or the newest node that answers. Outgoing voters are those that a change under way leaves out: until its end both majorities decide.",
  args: {},
  options: {},
  examples: [
    { command: "proa cluster members", does: "a line for each node" },
    { command: "proa cluster members --json | jq .voters", does: "the ids of the voters" },
  ],
  run: async (_input, context) => {
    const { members } = await import("./members_verbs.ts");
    await members(context);
  },
});

const add = command({
  path: ["cluster", "add"],
  summary: "Add a node: it receives the log, and votes once it has caught up",
  description:
    "Tells the cluster of the node, waits until it runs and keeps pace, and then promotes it. Start it with: proa node start --id ID --join ENDPOINTS --data DIR. " +
    "Ids are never used twice. When --timeout is over before it has caught up, it stays a learner, and proa cluster promote goes on.",
  args: {
    id: required(nodeId, "an id that was never used in this cluster"),
    address: required(text, "where the other nodes reach it, host:port"),
    service: optional(text, "where clients reach it, host:port; its port is the other one + 1000 unless given"),
  },
  options: { learner: flag("leave it a learner: it never votes until proa cluster promote"), plan },
  examples: [
    { command: "proa cluster add 4 127.0.0.1:4004 --timeout 1m", does: "a fourth voter, given a minute to catch up" },
    {
      command: "proa cluster add 5 10.0.0.5:4001 10.0.0.5:80 --learner",
      does: "an observer with a service port of your choice",
    },
  ],
  run: async ({ args, options }, context) => {
    const { add } = await import("./members_verbs.ts");
    await add(args, options, context);
  },
});

const promote = command({
  path: ["cluster", "promote"],
  summary: "Let a learner vote, once it has caught up",
  description: "Waits until it keeps pace with the leader, at most until --timeout.",
  args: { id: required(nodeId, "the learner") },
  options: { plan },
  examples: [{ command: "proa cluster promote 4 --timeout 1m", does: "as soon as it can" }],
  run: async ({ args, options }, context) => {
    const { promote } = await import("./members_verbs.ts");
    await promote(args.id, options, context);
  },
});

const remove = command({
  path: ["cluster", "remove"],
  summary: "Remove a node for good",
  description:
    "A voter or a learner, the leader too: it hands over first. Its id is never used again. Refused when the others that answer would be no majority.",
  args: { id: required(nodeId, "the node") },
  options: { plan },
  examples: [
    { command: "proa cluster remove 3 --plan", does: "the quorum before and after" },
    { command: "proa cluster remove 3", does: "for good" },
  ],
  run: async ({ args, options }, context) => {
    const { remove } = await import("./members_verbs.ts");
    await remove(args.id, options, context);
  },
});

const set = command({
  path: ["cluster", "set"],
  summary: "Set who votes, all at once; or show or change the settings of the cluster",
  description:
    "With ids, exactly those nodes vote afterwards: learners that have caught up come in, voters that are not named leave for good, in one change. " +
    "Settings stand in the log, so that all nodes go by the same ones. Without arguments it shows them. " +
    "history_revisions: how many revisions can be read besides the newest. history_bytes: how much memory old versions may take. " +
    "The leader compacts what is beyond either, as soon as it is a tenth too much, or 1,000 revisions or 4 MiB.",
  args: {
    settings: rest(text, "ids of nodes, 1,2,4; or NAME=VALUE, any number of them; bytes also as 64KiB, 256MiB, 1GiB"),
  },
  options: { plan },
  examples: [
    { command: "proa cluster set 4,5,6 --plan", does: "what it would be to replace all voters by three learners" },
    { command: "proa cluster set 4,5,6", does: "in one change" },
    { command: "proa cluster set", does: "shows all settings" },
    { command: "proa cluster set history_revisions=1000", does: "keeps a thousand revisions" },
    { command: "proa cluster set history_bytes=1GiB history_revisions=1000000", does: "two at once" },
  ],
  run: async ({ args, options }, context) => {
    const [first = ""] = args.settings;
    if (/^[0-9]/.test(first)) {
      const { setVoters } = await import("./members_verbs.ts");
      return setVoters(args.settings.join(","), options, context);
    }
    if (options.plan)
      throw new ProaError("USAGE", "Cannot plan a change of settings: --plan goes with ids", {
        hint: "proa cluster set 1,2,4 --plan",
      });
    const { set } = await import("./settings_verbs.ts");
    await set(args.settings, context);
  },
});

export const clusterCommands = [status, members, add, promote, remove, set];
