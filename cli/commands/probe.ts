/** `proa probe`: one put after another, for as long as anybody wants to know whether the cluster serves. */
import { command, option, optionOr } from "../command.ts";
import { duration, integer, text } from "../parsers.ts";

const probe = command({
  path: ["probe"],
  summary: "Put once a second, whatever happens, and tell when the cluster did not serve",
  description:
    "Each put is told with its latency. None stops the probe: what was refused or not answered is counted, and the next one is tried. At the end, also after Ctrl-C, it prints the windows without service: " +
    "each begins when a put was sent that failed or took longer than the interval, and ends with the next acknowledgement. Exits with 3 when nothing at all was acknowledged. With --timeout it ends at that time.",
  args: {},
  options: {
    interval: optionOr("duration", duration, "1s", "how often a put begins, unless the one before still waits"),
    count: option("number", integer(1), "end after this many puts", { defaultText: "until Ctrl-C" }),
    patience: optionOr("duration", duration, "5s", "how long one put may take"),
    key: optionOr("key", text, "probe", "the key that is put"),
  },
  examples: [
    { command: "proa probe", does: "while you kill nodes in another terminal" },
    { command: "proa probe --interval 100ms --count 100 --json", does: "ten seconds, for a script" },
    { command: "proa probe -o jsonl", does: "one line of JSON for each put, and one for the summary" },
  ],
  run: async ({ options }, context) => {
    const { runProbe } = await import("./probe_run.ts");
    await runProbe(options, context);
  },
});

export const probeCommands = [probe];
