/** `proa leader`: who leads, and handing that over. */
import { command, option } from "../command.ts";
import { integer } from "../parsers.ts";

const show = command({
  path: ["leader", "show"],
  summary: "Show who leads",
  description: "Asks all nodes, and needs no quorum. Exits with 3 when no node knows a leader.",
  args: {},
  options: {},
  examples: [
    { command: "proa leader show", does: "its id, term and service port" },
    { command: "proa leader show --json | jq .leader", does: "the id alone" },
  ],
  run: async (_input, context) => {
    const { show } = await import("./leader_verbs.ts");
    await show(context);
  },
});

const transfer = command({
  path: ["leader", "transfer"],
  summary: "Hand leadership over",
  description:
    "Returns when the new leader is known. Writes are refused or wait for the few milliseconds in between; none is lost.",
  args: {},
  options: {
    to: option("id", integer(1), "the node that is to lead", { defaultText: "the most caught-up one" }),
  },
  examples: [
    { command: "proa leader transfer --to 3", does: "to node 3" },
    { command: "proa leader transfer", does: "to whoever takes over fastest, before maintenance of the leader" },
  ],
  run: async ({ options }, context) => {
    const { transfer } = await import("./leader_verbs.ts");
    await transfer(options, context);
  },
});

export const leaderCommands = [show, transfer];
