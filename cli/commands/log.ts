/** `proa log`: what lies in a data directory, without a node. */
import { command, option, required } from "../command.ts";
import { integer, text } from "../parsers.ts";

const directory = required(text, "the data directory of a node that does not run");

const show = command({
  path: ["log", "show"],
  summary: "Print the log of a node as it is on disk",
  description:
    "An entry a line: index, term, kind, bytes, and its commands. A damaged entry is shown as such, and the rest is read on. " +
    "Works on a copy and never writes to the directory. While the node runs its log changes under the reader: then the command is refused (exit 9).",
  args: { directory },
  options: {
    from: option("index", integer(1), "from this entry on"),
    to: option("index", integer(1), "up to this entry, it included"),
    limit: option("number", integer(1), "at most so many entries; a note says when there are more"),
  },
  examples: [
    { command: "proa log show ./n1", does: "every entry" },
    { command: "proa log show ./n1 --from 100 --limit 20", does: "twenty entries" },
    { command: "proa log show ./n1 --output jsonl | jq -c 'select(.term == 7)'", does: "the entries of one term" },
  ],
  run: async ({ args, options }, context) => {
    const { showLog } = await import("./log_verbs.ts");
    showLog({ ...args, ...options }, context);
    return Promise.resolve();
  },
});

const verify = command({
  path: ["log", "verify"],
  summary: "Check the data directory of a node, and change nothing",
  description:
    "Reads everything: checksums, gaps, terms, term and vote, identity, snapshots, and the write-ahead log. " +
    "Exits with 7 when something is wrong, and names all of it. The node must not run (else exit 9).",
  args: { directory },
  options: {},
  examples: [
    { command: "proa log verify ./n1", does: "before a node is started on a disk that was repaired" },
    { command: "proa log verify ./n1 --json | jq -r '.problems[]'", does: "what is wrong, a line each" },
  ],
  run: async ({ args }, context) => {
    const { verifyLog } = await import("./log_verbs.ts");
    verifyLog(args, context);
    return Promise.resolve();
  },
});

export const logCommands = [show, verify];
