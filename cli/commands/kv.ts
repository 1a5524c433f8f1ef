/** `proa kv`: reading and writing keys. */
import { command, flag, option, optional, optionOr, required } from "../command.ts";
import { keyEncoding } from "../key_encoding.ts";
import { choice, integer, requestIdText, text, timeToLive } from "../parsers.ts";

const consistency = optionOr(
  "level",
  choice("linearizable", "lease", "stale"),
  "linearizable",
  "linearizable: as new as every write acknowledged before; lease: the same without asking a majority each time, if no clock runs wild; stale: what the node asked has applied",
);

const requestId = option(
  "id",
  requestIdText,
  "the id of a request that was sent before, as exit 4 names it: it takes effect at most once",
);

const put = command({
  path: ["kv", "put"],
  summary: "Write a value",
  description:
    "Returns once a majority of the nodes has it on disk and it is applied. The value - is read from stdin, and @FILE from a file. " +
    "A write that is not answered is sent again until the timeout, under an id by which the nodes know it again, so that it takes effect at most once. " +
    "If nobody knows then whether it did (exit 4), the message names the id: repeat it with --request-id. " +
    "With --ttl a lease is granted in the same step, for this key alone: the key is deleted when its time is over, and the lease ends when the key is deleted or put again. " +
    "A put without --ttl and --lease takes the key off the lease that it hung on.",
  args: {
    key: required(text, "1 byte to 8 KiB"),
    value: required(text, "0 bytes to 1 MiB; - for stdin, @FILE for a file"),
  },
  options: {
    ifAbsent: flag("only if the key does not exist, else exit 6"),
    ifRev: option("revision", integer(1), "only if the key was last changed at this revision, else exit 6"),
    ttl: option("duration", timeToLive, "delete the key after so long, such as 30s, 12h or 7d: from 1s to 3650d"),
    lease: option("id", integer(1), "delete the key with this lease, which exists, else exit 5"),
    requestId,
    keyEncoding,
  },
  examples: [
    { command: "proa kv put greeting hello", does: "one value" },
    { command: "proa kv put config @app.toml", does: "the bytes of a file" },
    { command: "date | proa kv put now -", does: "what stdin says, with its newline" },
    { command: "proa kv put lock mine --if-absent", does: "only the first one wins; the others exit with 6" },
    { command: "proa kv put session/ada here --ttl 30s", does: "gone after 30 seconds, unless it is put again" },
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
  options: {
    rev: option("revision", integer(1), "the value that the key had at this revision"),
    consistency,
    keyEncoding,
  },
  examples: [
    { command: "proa kv get greeting", does: "the value" },
    { command: "proa kv get greeting --json", does: "with its revisions" },
    { command: "proa kv get greeting --rev 41", does: "what it was, unless that is compacted (exit 5)" },
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
    requestId,
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
    "A long listing is read in pages, all at the revision of the first, or each at its own with --consistency stale. With --output jsonl every key is printed as its page arrives.",
  args: { prefix: optional(text, "only keys that begin with this") },
  options: {
    start: option("key", text, "from this key on"),
    end: option("key", text, "up to this key, without it"),
    limit: option("number", integer(1, 0xffff_ffff), "at most so many keys; a note says when there are more"),
    values: flag("print the value behind each key, after a tab"),
    keysOnly: flag("leave values out of JSON"),
    rev: option("revision", integer(1), "the keys as they were at this revision"),
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

const batch = command({
  path: ["kv", "batch"],
  summary: "Run many operations, one a line, on one connection",
  description:
    "A line is a JSON object with op put, get or del, or the same between tabs: put KEY VALUE, get KEY, del KEY, where \\xNN, \\t, \\n and \\\\ stand for bytes. " +
    "Lines take effect in their order, many of them in one message, and each prints one line: ok, a value, or an error. It is no transaction. " +
    "The exit status is that of the gravest line: unknown before not applied, before malformed, before a condition that does not hold, before a key that is not there. " +
    "--timeout is for each message, not for the whole input, which may be of any length.",
  args: {},
  options: {
    file: optionOr("path", text, "-", "where the lines are; - is stdin", "f"),
    stopOnError: flag("run line by line, and nothing behind the first one that fails"),
  },
  examples: [
    {
      command: "printf 'put\\ta\\t1\\nput\\tb\\t2\\nget\\ta\\n' | proa kv batch",
      does: "two puts and a get, between tabs",
    },
    { command: "proa kv batch -f changes.jsonl --json", does: "a result in JSON for every line" },
    {
      command: `echo '{"op":"put","key":"a","value":"1","if_absent":true}' | proa kv batch`,
      does: "with a condition; if_rev and del with prefix, start and end are there, too",
    },
    { command: "proa kv batch -f steps.jsonl --stop-on-error", does: "each line only if all before it went well" },
  ],
  run: async ({ options }, context) => {
    const { batch } = await import("./kv_batch.ts");
    await batch(options, context);
  },
});

const history = command({
  path: ["kv", "history"],
  summary: "Show the versions of a key",
  description:
    "Prints a line for each put and delete that can still be read, the newest first: its revision, put or del, and the value. " +
    "How far back it reaches is a setting of the cluster (proa cluster set). Exits with 5 when there is nothing.",
  args: { key: required(text, "the key") },
  options: {
    limit: option("number", integer(1, 0xffff_ffff), "at most so many versions; a note says when there are more"),
    below: option("revision", integer(1), "only versions older than this revision"),
    consistency,
    keyEncoding,
  },
  examples: [
    { command: "proa kv history greeting", does: "all that is kept" },
    { command: "proa kv history greeting --limit 1", does: "the latest put or delete" },
    { command: "proa kv history greeting --json", does: "with values, versions and revisions" },
  ],
  run: async ({ args, options }, context) => {
    const { history } = await import("./kv_verbs.ts");
    await history({ ...args, ...options }, context);
  },
});

const txn = command({
  path: ["kv", "txn"],
  summary: "Compare, then do one of two things in one revision",
  description:
    "Reads a transaction: comparisons, and operations to do when all of them hold (then) or when one does not (else). " +
    "All that it changes gets one revision; it has at most 128 comparisons, and operations in each branch, and puts no key twice. " +
    "As lines, with blanks or tabs between words and \\xNN, \\t, \\n, \\\\ for bytes: if value KEY = TEXT; if version, create_revision, mod_revision or lease KEY = NUMBER; " +
    "if exists KEY; if missing KEY; then or else, followed by put KEY VALUE, put-lease ID KEY VALUE, get KEY, del KEY, del-prefix PREFIX or range PREFIX. Relations are = != < >. " +
    "Or as JSON: an object with compare, then and else, as POST /v1/txn takes it (docs/http.md). Prints then or else, and a line for each operation.",
  args: {},
  options: {
    file: optionOr("path", text, "-", "where the transaction is; - is stdin", "f"),
    must: flag("exit with 6 when the else branch was done"),
    requestId,
  },
  examples: [
    {
      command: "printf 'if value lock = free\\nthen put lock mine\\nelse get lock\\n' | proa kv txn",
      does: "takes a lock, or shows who has it",
    },
    {
      command: "printf 'if missing a\\nthen put a 1\\nthen put b 1\\n' | proa kv txn --must",
      does: "both keys, or exit 6",
    },
    { command: "proa kv txn -f move.json --json", does: "from a file, with every result" },
  ],
  run: async ({ options }, context) => {
    const { txn } = await import("./kv_txn.ts");
    await txn(options, context);
  },
});

export const kvCommands = [put, get, del, ls, history, txn, batch];
