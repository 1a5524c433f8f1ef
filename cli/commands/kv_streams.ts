/** `proa kv`, the verbs that go on: changes as they happen, and many keys out and in. */
import { command, flag, option, optional, optionOr } from "../command.ts";
import { keyEncoding } from "../key_encoding.ts";
import { choice, integer, text } from "../parsers.ts";

const watch = command({
  path: ["kv", "watch"],
  summary: "Print changes as they happen",
  description:
    "Every change of a key, a prefix, a range or of everything, once and in order, from now on or from any revision that is kept; goes on over lost connections and changes of leaders. " +
    "A line has the revision, put or delete, the key and the value, between tabs, unprintable bytes as \\xNN. " +
    "With --cursor a later run goes on where this one ended: what was under way when it was killed comes again. " +
    "Exits with 5 where the changes are compacted, or where the store has not come as far: it was made anew, or restored from an older snapshot. " +
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

const exportKeys = command({
  path: ["kv", "export"],
  summary: "Write keys and values as JSON, a line each",
  description:
    "All of it as it was at one revision, read in pages: what is written meanwhile does not show. The first line names the revision, the last one how many keys there are, " +
    "so that an export that was cut off is not taken for whole. Bytes that are no text are in base64. Leases and older versions are not in it.",
  args: {},
  options: {
    prefix: option("prefix", text, "only keys that begin with this"),
    rev: option("revision", integer(1), "the keys as they were at this revision"),
    keyEncoding,
  },
  examples: [
    { command: "proa kv export > backup.jsonl", does: "every key" },
    {
      command: "proa kv export --prefix config/ | proa kv import -e 10.0.0.1:5001",
      does: "from one cluster into another",
    },
  ],
  run: async ({ options }, context) => {
    const { exportKeys } = await import("./kv_export.ts");
    await exportKeys(options, context);
  },
});

const importKeys = command({
  path: ["kv", "import"],
  summary: "Write keys and values from lines of JSON",
  description:
    "Reads what kv export writes, or any lines with key and value, in bounded memory. Keys that are not in the input stay as they are; those that hung on a lease hang on none. It is no transaction: " +
    "when it fails, a part is written, and it may be repeated from the beginning. --timeout is for each message.",
  args: {},
  options: {
    file: optionOr("path", text, "-", "where the lines are; - is stdin", "f"),
    ifAbsent: flag("leave keys alone that exist already, and count them"),
  },
  examples: [
    { command: "proa kv import -f backup.jsonl", does: "every key of an export" },
    { command: `echo '{"key":"a","value":"1"}' | proa kv import --if-absent`, does: "one key, unless it is there" },
  ],
  run: async ({ options }, context) => {
    const { importKeys } = await import("./kv_export.ts");
    await importKeys(options, context);
  },
});

export const kvStreamCommands = [watch, exportKeys, importKeys];
