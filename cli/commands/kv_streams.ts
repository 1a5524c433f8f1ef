/** `proa kv`, the verbs that go on: changes as they happen. */
import { command, flag, option, optional } from "../command.ts";
import { keyEncoding } from "../key_encoding.ts";
import { choice, integer, text } from "../parsers.ts";

const watch = command({
  path: ["kv", "watch"],
  summary: "Print changes as they happen",
  description:
    "Every change of a key, a prefix, a range or of everything, once and in order, from now on or from any revision that is kept; goes on over lost connections and changes of leaders. " +
    "A line has the revision, put or delete, the key and the value, between tabs, unprintable bytes as \\xNN. " +
    "With --cursor a later run goes on where this one ended: what was under way when it was killed comes again. " +
    "--exec runs a shell command for each event, one after another, and ends with 7 when it fails: it reads the event as JSON on stdin, " +
    "and finds PROA_EVENT, PROA_REVISION, PROA_KEY and PROA_VALUE in its environment, where they are text. With --timeout it ends after that time, with 124.",
  args: { key: optional(text, "one key; leave it out for a range, or for everything") },
  options: {
    prefix: option("prefix", text, "all keys that begin with this"),
    start: option("key", text, "all keys from this one on"),
    end: option("key", text, "with --start: up to this key, without it"),
    from: option("revision", integer(1), "begin with the changes of this revision"),
    only: option("kind", choice("put", "delete"), "only puts, or only deletes"),
    prev: flag("also what each key was before"),
    count: option("number", integer(1), "end after so many events"),
    cursor: option("path", text, "keep in this file how far it is, and go on there"),
    exec: option("command", text, "run this for each event instead of printing it"),
    keyEncoding,
  },
  examples: [
    { command: "proa kv watch --prefix config/", does: "what changes below config/ from now on" },
    {
      command: "proa kv watch greeting --from 1 --count 1",
      does: "the first change of a key that is kept, or the next one",
    },
    { command: "proa kv watch --prev --output jsonl | jq -c .", does: "JSON, with what was there before" },
    {
      command: "proa kv watch --prefix jobs/ --only put --cursor ./jobs.cursor --exec './run-job'",
      does: "a command for each put, at least once each, over restarts",
    },
  ],
  run: async ({ args, options }, context) => {
    const { watch } = await import("./kv_watch.ts");
    await watch({ ...args, ...options }, context);
  },
});

export const kvStreamCommands = [watch];
