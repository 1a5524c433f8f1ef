/** `proa kv`: reading and writing keys. */
import { command, flag, option, optional, optionOr, required } from "../command.ts";
import { keyEncoding } from "../key_encoding.ts";
import { choice, integer, text } from "../parsers.ts";

const consistency = optionOr(
  "level",
  choice("linearizable", "lease", "stale"),
  "linearizable",
  "linearizable: as new as every write acknowledged before; lease: the same without asking a majority each time, if no clock runs wild; stale: what the node asked has applied",
);

const put = command({
  path: ["kv", "put"],
  summary: "Write a value",
  description:
    "Returns once a majority of the nodes has it on disk and it is applied. The value - is read from stdin, and @FILE from a file. " +
    "A write whose outcome is unknown (exit 4) is never repeated by itself.",
  args: {
    key: required(text, "1 byte to 8 KiB"),
    value: required(text, "0 bytes to 1 MiB; - for stdin, @FILE for a file"),
  },
  options: {
    ifAbsent: flag("only if the key does not exist, else exit 6"),
    ifRev: option("revision", integer(1), "only if the key was last changed at this revision, else exit 6"),
    keyEncoding,
  },
  examples: [
    { command: "proa kv put greeting hello", does: "one value" },
    { command: "proa kv put config @app.toml", does: "the bytes of a file" },
    { command: "date | proa kv put now -", does: "what stdin says, with its newline" },
    { command: "proa kv put lock mine --if-absent", does: "only the first one wins; the others exit with 6" },
    { command: "proa kv put -- offset -5", does: "a value that looks like an option" },
  ],
  run: async ({ args, options }, context) => {
    const { put } = await import("./kv_verbs.ts");
    await put({ ...args, ...options }, context);
  },
});

const get = command({
  path: ["kv", "get"],
  summary: "Print a value",
  description:
    "Prints exactly the bytes, and a newline behind them only on a terminal. Exits with 5 when the key does not exist.",
  args: { key: required(text, "the key") },
  options: { consistency, keyEncoding },
  examples: [
    { command: "proa kv get greeting", does: "the value" },
    { command: "proa kv get greeting --json", does: "with its revisions" },
    { command: "proa kv get image > image.png", does: "any bytes" },
    {
      command: "proa kv get greeting --consistency lease",
      does: "without a round to the other nodes, trusting that no clock runs wild",
    },
    {
      command: "proa kv get greeting --consistency stale -e 127.0.0.1:5002",
      does: "what one node has applied, without asking others",
    },
  ],
  run: async ({ args, options }, context) => {
    const { get } = await import("./kv_verbs.ts");
    await get({ ...args, ...options }, context);
  },
});

const del = command({
  path: ["kv", "del"],
  summary: "Delete a key, or a range of keys",
  description:
    "A range is deleted in one revision: all of it or nothing. When there is nothing to delete, nothing changes, and the exit status is 5 unless --ignore-missing is given.",
  args: { key: optional(text, "one key; leave it out for a range") },
  options: {
    ifRev: option("revision", integer(1), "only if the key was last changed at this revision, else exit 6"),
    prefix: option("prefix", text, "all keys that begin with this; '' is every key"),
    start: option("key", text, "all keys from this one on"),
    end: option("key", text, "with --start: up to this key, which stays"),
    ignoreMissing: flag("exit with 0 when there is nothing to delete"),
    keyEncoding,
  },
  examples: [
    { command: "proa kv del greeting", does: "one key" },
    { command: "proa kv del greeting --if-rev 42", does: "only if nobody has changed it since" },
    { command: "proa kv del --prefix session/", does: "all keys below session/" },
    { command: "proa kv del --start a --end c", does: "from a up to c, without c" },
  ],
  run: async ({ args, options }, context) => {
    const { del } = await import("./kv_verbs.ts");
    await del({ ...args, ...options }, context);
  },
});

const ls = command({
  path: ["kv", "ls"],
  summary: "List keys in byte order",
  description:
    "Prints a key a line, unprintable bytes as \\xNN. JSON has values and revisions too. " +
    "A long listing is read in pages, each at its own revision. With --output jsonl every key is printed as its page arrives.",
  args: { prefix: optional(text, "only keys that begin with this") },
  options: {
    start: option("key", text, "from this key on"),
    end: option("key", text, "up to this key, without it"),
    limit: option("number", integer(1, 0xffff_ffff), "at most so many keys; a note says when there are more"),
    values: flag("print the value behind each key, after a tab"),
    keysOnly: flag("leave values out of JSON"),
    consistency,
    keyEncoding,
  },
  examples: [
    { command: "proa kv ls", does: "every key" },
    { command: "proa kv ls session/ --values", does: "keys below session/, with their values" },
    { command: "proa kv ls --limit 100 --json", does: "the first hundred; next is the start of the rest" },
    { command: 'proa kv ls --start "$next" --key-encoding percent', does: "goes on where next says" },
    { command: "proa kv ls --output jsonl | jq -r .key", does: "one JSON object a line" },
  ],
  run: async ({ args, options }, context) => {
    const { ls } = await import("./kv_verbs.ts");
    await ls({ ...args, ...options }, context);
  },
});

export const kvCommands = [put, get, del, ls];
