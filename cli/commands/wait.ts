/** `proa wait`: for scripts that go on when something is true. */
import { command, required } from "../command.ts";
import { idList } from "../parsers.ts";

const leader = command({
  path: ["wait", "leader"],
  summary: "Wait until a leader is elected",
  description:
    "Returns when a node leads, and a majority of the voters, itself included, says so in the same term. Exits with 124 when --timeout is over.",
  args: {},
  options: {},
  examples: [
    { command: "proa wait leader --timeout 30s", does: "after a start" },
    { command: "proa demo kill leader && proa wait leader", does: "until another one has taken over" },
  ],
  run: async (_input, context) => {
    const { waitForLeader } = await import("./wait_verbs.ts");
    await waitForLeader(context);
  },
});

const ready = command({
  path: ["wait", "ready"],
  summary: "Wait until a node can serve reads and writes",
  description: "Returns when one of the endpoints says that it is ready. Exits with 124 when --timeout is over.",
  args: {},
  options: {},
  examples: [
    { command: "proa wait ready && proa kv put greeting hello", does: "a write that will not have to wait" },
    { command: "proa wait ready -e 127.0.0.1:5002 --timeout 1m", does: "for one node after its restart" },
  ],
  run: async (_input, context) => {
    const { waitUntilReady } = await import("./wait_verbs.ts");
    await waitUntilReady(context);
  },
});

const members = command({
  path: ["wait", "members"],
  summary: "Wait until exactly these nodes vote, and no change is under way",
  description: "Returns when the leader says so. Exits with 124 when --timeout is over.",
  args: { ids: required(idList, "the ids, 1,2,4") },
  options: {},
  examples: [{ command: "proa wait members 1,2,3,4 --timeout 1m", does: "until node 4 votes" }],
  run: async ({ args }, context) => {
    const { waitForMembers } = await import("./wait_verbs.ts");
    await waitForMembers(args.ids, context);
  },
});

export const waitCommands = [leader, ready, members];
