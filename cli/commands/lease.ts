/** `proa lease`: times that keys hang on. */
import { command, flag, option, required } from "../command.ts";
import { integer, requestIdText, timeToLive } from "../parsers.ts";

const id = required(integer(1), "the id of the lease");
const requestId = option(
  "id",
  requestIdText,
  "the id of a request that was sent before, as exit 4 names it: it takes effect at most once",
);

const grant = command({
  path: ["lease", "grant"],
  summary: "Grant a lease: a time that keys hang on",
  description:
    "Prints the id of the lease. Keys that are put with --lease ID are deleted in one revision when its time is over, or when it is revoked; proa lease keepalive begins the time anew. " +
    "The leader counts by its monotonic clock. The time goes on when another node leads; what may be added to it is the time in which no node ran, and, after a restart, half of the time to live or 5 minutes, whichever is less.",
  args: { ttl: required(timeToLive, "how long it lasts, such as 30s, 12h or 7d: from 1s to 3650d") },
  options: {
    id: option("id", integer(1), "this id, unless a lease has it (exit 6)", {
      defaultText: "one that the cluster never chose before",
    }),
    requestId,
  },
  examples: [
    { command: "proa lease grant 30s", does: "a lease, by its id: lease=$(proa lease grant 30s) in a script" },
    { command: "proa kv put worker/1 here --lease 1042", does: "a key that goes with it" },
    { command: "proa lease grant 12h --id 7 --json", does: "with an id of one's own" },
  ],
  run: async ({ args, options }, context) => {
    const { grant } = await import("./lease_verbs.ts");
    await grant({ ...args, ...options }, context);
  },
});

const keepalive = command({
  path: ["lease", "keepalive"],
  summary: "Renew a lease again and again",
  description:
    "Renews at once, and then whenever a third of the time to live is over, until it is interrupted (or --timeout is over), and prints each renewal. " +
    "A renewal that fails is tried again while the lease may still be there. Exits with 5 when it is not.",
  args: { id },
  options: { once: flag("renew once, and end") },
  examples: [
    { command: "proa lease keepalive 1042 --once", does: "its time begins anew" },
    { command: "proa lease keepalive 1042", does: "as long as it runs" },
  ],
  run: async ({ args, options }, context) => {
    const { keepalive } = await import("./lease_keepalive.ts");
    await keepalive({ ...args, ...options }, context);
  },
});

const revoke = command({
  path: ["lease", "revoke"],
  summary: "End a lease, and delete its keys in one revision",
  description: "Exits with 5 when there is no such lease.",
  args: { id },
  options: { requestId },
  examples: [{ command: "proa lease revoke 1042", does: "at once, without waiting for its time" }],
  run: async ({ args, options }, context) => {
    const { revoke } = await import("./lease_verbs.ts");
    await revoke({ ...args, ...options }, context);
  },
});

const ls = command({
  path: ["lease", "ls"],
  summary: "List leases in the order of their grants",
  description:
    "With the time that is left by the clock of the leader. With --output jsonl each is printed as its page arrives.",
  args: {},
  options: { limit: option("number", integer(1), "at most so many; a note says when there are more") },
  examples: [
    { command: "proa lease ls", does: "every lease" },
    { command: "proa lease ls --output jsonl | jq 'select(.remaining_ms < 5000).id'", does: "those that end soon" },
  ],
  run: async ({ options }, context) => {
    const { ls } = await import("./lease_verbs.ts");
    await ls(options, context);
  },
});

const ttl = command({
  path: ["lease", "ttl"],
  summary: "Show how much time is left to a lease, and what hangs on it",
  description:
    "Exits with 5 when there is no such lease. JSON has the keys when --keys is given, as many as there are.",
  args: { id },
  options: { keys: flag("list its keys, a line each") },
  examples: [
    { command: "proa lease ttl 1042", does: "granted, left, and the number of its keys" },
    { command: "proa lease ttl 1042 --json | jq .remaining_ms", does: "milliseconds" },
  ],
  run: async ({ args, options }, context) => {
    const { ttl } = await import("./lease_verbs.ts");
    await ttl({ ...args, ...options }, context);
  },
});

export const leaseCommands = [grant, keepalive, revoke, ls, ttl];
