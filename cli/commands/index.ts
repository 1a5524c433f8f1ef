/** The table of all commands, in the order of the help pages. Loading it must stay cheap: it is loaded for every command. */
import type { Command } from "../command.ts";
import { benchCommands } from "./bench.ts";
import { clusterCommands } from "./cluster.ts";
import { configCommands } from "./config.ts";
import { demoCommands } from "./demo.ts";
import { kvCommands } from "./kv.ts";
import { kvStreamCommands } from "./kv_streams.ts";
import { leaseCommands } from "./lease.ts";
import { leaderCommands } from "./leader.ts";
import { lockCommands } from "./lock.ts";
import { logCommands } from "./log.ts";
import { nodeCommands } from "./node.ts";
import { probeCommands } from "./probe.ts";
import { simCommands } from "./sim.ts";
import { snapshotCommands } from "./snapshot.ts";
import { version } from "./version.ts";
import { waitCommands } from "./wait.ts";

export const commands: readonly Command[] = [
  ...kvCommands,
  ...kvStreamCommands,
  ...leaseCommands,
  ...lockCommands,
  ...leaderCommands,
  ...clusterCommands,
  ...waitCommands,
  ...nodeCommands,
  ...snapshotCommands,
  ...logCommands,
  ...configCommands,
  ...demoCommands,
  ...benchCommands,
  ...probeCommands,
  ...simCommands,
  version,
];
