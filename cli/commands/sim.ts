/** `proa sim`: runs of the simulator, each from a seed. */
import { command, flag, InvalidValueError, option, optionOr } from "../command.ts";
import type { Parse } from "../command.ts";
import { duration, integer, list, text } from "../parsers.ts";

const seedMax = 0xffff_ffff;

const sim = command({
  path: ["sim"],
  summary: "Run real nodes in virtual time, with faults that follow from a seed",
  description:
    "Each seed draws its own mix of faults, nodes, clients and limits, breaks the cluster for a while, then asks it to heal, and checks that nothing that must hold was " +
    "ever broken. A seed always gives the same run. Exits with 7 when a run fails, and prints how to repeat it. With --timeout no further run begins after that time.",
  args: {},
  options: {
    seed: option("number", integer(0, seedMax), "run this seed"),
    seeds: option("range", seedRange, "run these seeds, such as 1..1000", { defaultText: "1..100" }),
    jobs: optionOr("number", integer(1, 256), "1", "how many processes share the work"),
    nodes: option("number", integer(1, 9), "how many nodes there are", { defaultText: "the seed's choice" }),
    clients: option("number", integer(0, 100), "how many clients there are", { defaultText: "the seed's choice" }),
    duration: option("duration", duration, "how long faults go on, in virtual time", {
      defaultText: "the seed's choice",
    }),
    powerCutAtWrite: option("count", integer(1, 1e9), "cut everybody's power at this write, counted over all disks"),
    faults: option("list", faultList, "which faults there are, such as loss,crashes, or none", {
      defaultText: "the seed's choice",
    }),
    first: flag("stop at the first run that fails"),
    trace: flag("print every event of a run that fails, and of any run of --seed"),
    shrink: flag("look for a smaller run that fails for the same reason as the first one that failed"),
  },
  examples: [
    { command: "proa sim", does: "a hundred runs" },
    { command: "proa sim --seeds 1..100000 --jobs 8", does: "a night's work" },
    { command: "proa sim --seed 4711 --trace", does: "one run, event by event" },
    { command: "proa sim --nodes 5 --faults partitions,crashes --seeds 1..1000", does: "what you fear most" },
  ],
  run: async ({ options }, context) => {
    const { simulate } = await import("./sim_run.ts");
    await simulate(options, context);
  },
});

export const simCommands = [sim];

/** Seeds from `first` to `last`, both included. */
export interface SeedRange {
  readonly first: number;
  readonly last: number;
}

function seedRange(value: string): SeedRange {
  const [from, to, ...more] = value.split("..");
  if (from === undefined || to === undefined || more.length > 0)
    throw new InvalidValueError("expected a range such as 1..1000");
  const parse = integer(0, seedMax);
  const range = { first: parse(from), last: parse(to) };
  if (range.first > range.last) throw new InvalidValueError("expected a range that rises, such as 1..1000");
  return range;
}

/** The names as they were typed: which of them there are is known where they are used, because loading that takes long. */
function faultList(value: string): readonly string[] {
  const names: Parse<readonly string[]> = list(",", text);
  return value === "none" ? [] : names(value);
}
