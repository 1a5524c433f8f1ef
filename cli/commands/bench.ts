/** `proa bench`: puts a cluster under load and tells what it does, how fast and how evenly. */
import { command, flag, option, optionOr } from "../command.ts";
import { choice, duration, integer, list, percent } from "../parsers.ts";

/** Where so much is lost, nothing is left to measure. */
const lossPercentMax = 50;
/** As many as a local cluster can have; src/local says so too, and takes longer to load than a command may. */
const localNodesMax = 9;

const bench = command({
  path: ["bench"],
  summary: "Measure how many puts and gets a cluster does, and how long each takes",
  description:
    "Sends to the leader, many requests in one frame. By default as many requests as --in-flight says are unanswered at any time (closed loop); with --callers that many independent callers " +
    "each wait for an answer before they ask again; with --rate requests begin at that rate, whether the earlier ones are answered or not (open loop), and each is timed from the moment at which it " +
    "should have been sent. Keys are written below bench/: remove them with proa kv del --prefix bench/. With --local a cluster is started for this run alone, fsync on, in a directory for temporary files " +
    "(TMPDIR decides which), and removed afterwards. With --loss the nodes speak through relays on this machine: a datagram that is lost is gone; TCP repeats what is lost and holds back what is behind it, for as long as Linux " +
    "would where round trips are short (docs/transports.md). --check exits with 7 when the answers contradict each other. With --timeout the run ends at that time at the latest.",
  args: {},
  options: {
    op: optionOr("op", choice("put", "get", "mixed"), "put", "put, get, or mixed: as many of one as of the other"),
    consistency: optionOr(
      "level",
      choice("linearizable", "lease", "stale"),
      "linearizable",
      "of gets: linearizable, lease (the leader trusts its clock), or stale (from any node, as it is there)",
    ),
    inFlight: option("number", integer(1, 1_000_000), "how many requests may be unanswered at a time", {
      defaultText: "128, or 10000 with --rate",
    }),
    connections: optionOr("number", integer(1, 10_000), "1", "how many connections share them"),
    callers: option("number", integer(1, 1_000_000), "this many callers, each with one request at a time"),
    rate: option("number", integer(1, 100_000_000), "begin this many requests a second"),
    valueSize: optionOr("bytes", integer(0, 1024 * 1024), "256", "the size of a value"),
    keyCount: optionOr("number", integer(1, 100_000_000), "10000", "how many keys are used, in random order"),
    duration: optionOr("duration", duration, "10s", "how long it is measured"),
    warmup: optionOr("duration", duration, "1s", "how long it runs before that"),
    local: option("nodes", integer(1, localNodesMax), "start a cluster of this many nodes for this run"),
    transport: option(
      "kinds",
      list(",", choice("tcp", "udp")),
      "with --local: what carries the messages between the nodes, tcp or udp; tcp,udp measures both, one row each",
      { defaultText: "tcp" },
    ),
    loss: option(
      "percents",
      list(",", percent(lossPercentMax)),
      "with --local: let this share of the packets between the nodes be lost, such as 1 or 0,1,5; one row each",
    ),
    check: flag("record what is asked and answered, and verify that it is linearizable; needs --op mixed"),
  },
  examples: [
    { command: "proa bench --local 3", does: "puts on three nodes of their own" },
    { command: "proa bench --op get --in-flight 2000 --json", does: "gets from your cluster, for a script" },
    { command: "proa bench --rate 50000 --duration 1m", does: "how evenly it answers at 50,000 puts a second" },
    { command: "proa bench --callers 128 --connections 8", does: "as 128 threads of an application would" },
    { command: "proa bench --local 3 --transport tcp,udp --loss 0,1,5", does: "what lost packets cost, as a table" },
    { command: "proa bench --local 3 --op mixed --key-count 20 --check", does: "whether the answers are right" },
  ],
  run: async ({ options }, context) => {
    const { runBench } = await import("./bench_run.ts");
    await runBench(options, context);
  },
});

export const benchCommands = [bench];
