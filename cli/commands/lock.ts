/** `proa lock`: runs a program while nobody else who asks for the same lock runs his. */
import { command, option, optionOr, required, rest } from "../command.ts";
import { duration, integer, text } from "../parsers.ts";

const lock = command({
  path: ["lock"],
  summary: "Run a program while holding a lock, and let the lock go when it ends",
  description:
    "Waits its turn, in the order of arrival, runs CMD and exits with its status (128 + N where signal N ended it). Signals are handed on to CMD. " +
    "The lock hangs on a lease that is renewed while CMD runs. Where that is not confirmed in time, CMD and all of its process group get SIGTERM after seven tenths of --ttl, SIGKILL after nine tenths, and proa exits with 4. " +
    "CMD finds PROA_LOCK_NAME, PROA_LOCK_KEY and PROA_LOCK_TOKEN in its environment: the token is higher than that of everybody who held the lock before, and what CMD writes to should refuse lower ones. " +
    "Exits with 124 when --timeout is over before its turn has come; without --timeout it waits as long as the cluster answers.",
  args: {
    name: required(text, "what is locked, by any name"),
    cmd: rest(text, "the program and its arguments, behind --"),
  },
  options: {
    ttl: optionOr(
      "duration",
      duration,
      "15s",
      "how long the lock outlives a holder that is gone without a word, from 1s",
    ),
    holders: option("number", integer(1), "how many may hold it at once; all who take part must say the same", {
      short: "n",
      defaultText: "1",
    }),
  },
  examples: [
    { command: "proa lock nightly -- ./backup.sh", does: "one at a time, on whichever machine" },
    { command: "proa lock deploy --timeout 10s -- make deploy", does: "gives up after ten seconds with 124" },
    { command: "proa lock -n 3 workers -- ./work", does: "a semaphore: three at a time" },
  ],
  run: async ({ args, options }, context) => {
    const { runLocked } = await import("./lock_run.ts");
    await runLocked({ ...args, ...options }, context);
  },
});

export const lockCommands = [lock];
