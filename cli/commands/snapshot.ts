/** `proa snapshot`: the whole store as one file, and a new cluster from such a file. */
import { command, option, optionOr, required } from "../command.ts";
import { nodeSettingFlags } from "../config/node_settings.ts";
import { choice, text } from "../parsers.ts";

const save = command({
  path: ["snapshot", "save"],
  summary: "Save the whole store to a file, while the cluster serves",
  description:
    "Keys, values, revisions and history as they were at one moment: every write that was acknowledged before the call is in it. One node is asked, and goes on. " +
    "FILE appears, or replaces the one that was there, once all of it has arrived, matches its digest and is on disk. " +
    "--timeout is how long a node may take to begin, and to go on, not for the whole file. What holds a majority no more is saved with --consistency stale, node by node.",
  args: { file: required(text, "where it goes; - is stdout") },
  options: {
    consistency: optionOr(
      "level",
      choice("linearizable", "stale"),
      "linearizable",
      "linearizable: with every write acknowledged before; stale: what the first node that answers has applied, without asking a majority",
    ),
  },
  examples: [
    { command: "proa snapshot save backup.snapshot", does: "to a file" },
    { command: "proa snapshot save - | gzip > backup.gz", does: "through a pipe" },
    {
      command: "proa snapshot save rescued.snapshot --consistency stale -e 127.0.0.1:5002",
      does: "from a node that is left when the majority is lost for good",
    },
    { command: "curl -OJ http://127.0.0.1:5001/v1/snapshot", does: "the same file by HTTP" },
  ],
  run: async ({ args, options }, context) => {
    const { saveSnapshot } = await import("./snapshot_save.ts");
    await saveSnapshot({ ...args, ...options }, context);
  },
});

const info = command({
  path: ["snapshot", "info"],
  summary: "Check a saved snapshot, and show what it holds",
  description:
    "Reads all of it, and checks every checksum and the digest. Exits with 9 when a byte is damaged or missing, and says where.",
  args: { file: required(text, "a file that snapshot save wrote") },
  options: {},
  examples: [
    { command: "proa snapshot info backup.snapshot", does: "is it whole, and of when is it" },
    { command: "proa snapshot info backup.snapshot --json | jq .revision", does: "for a script" },
  ],
  run: async ({ args }, context) => {
    const { showSnapshot } = await import("./snapshot_files.ts");
    showSnapshot(args, context);
  },
});

const { id, servers, members, observers, data, cluster } = nodeSettingFlags;

const restore = command({
  path: ["snapshot", "restore"],
  summary: "Make the data directory of a node of a new cluster from a saved snapshot",
  description:
    "Once for each node, from the same file and with the same server list; then start the nodes as usual. Keys, revisions, history, settings and the answers to requests with an id " +
    "are those of the snapshot, and revisions go on from there. The new cluster has an id of its own, made of the file, the name, the members and --token, " +
    "so that its nodes find each other and the old cluster refuses them. Restore the same file for the same members a second time only with another --token. " +
    "The directory must be empty or missing; a file that is damaged is refused.",
  args: { file: required(text, "a file that snapshot save wrote") },
  options: {
    id,
    servers,
    members,
    observers,
    data,
    cluster,
    token: optionOr("text", text, "", "tells two clusters apart that are made of the same file, the same on all nodes"),
    config: option("file", text, "a file with the settings of the node, see proa help config", {
      defaultText: "$PROA_CONFIG",
    }),
  },
  examples: [
    {
      command:
        "proa snapshot restore backup.snapshot --id 1 --servers '1,127.0.0.1:4001;2,127.0.0.1:4002;3,127.0.0.1:4003' --data ./n1",
      does: "the first of three nodes; the same for 2 and 3, then proa node start with the same flags",
    },
    {
      command: "proa snapshot restore backup.snapshot --id 1 --servers '1,127.0.0.1:4001' --data ./n1",
      does: "a cluster of one node, to look into a backup",
    },
    {
      command: "proa snapshot restore backup.snapshot --config node.toml",
      does: "with the file that the node is started with",
    },
  ],
  run: async ({ args, options }, context) => {
    const { restoreSnapshot } = await import("./snapshot_files.ts");
    restoreSnapshot({ ...args, ...options }, context);
  },
});

export const snapshotCommands = [save, info, restore] as const;
