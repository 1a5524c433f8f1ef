/** Every setting of a node, once: its flag, its variable, and its key in a configuration file come from this table. Cheap to load. */
import { option } from "../command.ts";
import type { OptionSpec } from "../command.ts";
import { byteSize, choice, duration, endpointList, idList, integer, text } from "../parsers.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { formatServers, parseServers } from "../../src/local/server_list.ts";

/** What a value is in TOML. A `path` is taken from the directory of the file; a `list` may also be one string. */
export type Shape =
  | { readonly kind: "integer" | "text" | "path" | "list" }
  | { readonly kind: "choice"; readonly words: readonly string[] };

export type TomlValue = string | number | readonly string[];

/** One setting. `V` is what its value is once all sources were asked. */
export interface NodeSetting<V> {
  readonly option: OptionSpec<V | undefined>;
  /** Where it stands in a configuration file: `transport.kind`. */
  readonly key: string;
  readonly shape: Shape;
  /** What the example file says. */
  readonly sample: TomlValue;
  /** Whether a node cannot start without it. */
  readonly isNeeded: boolean;
  /** A value as the file has it. */
  toml(value: V): TomlValue;
}

const nodeIdMax = 0xffff_ffff;
const transportKinds = ["tcp", "udp"] as const;
/** Smaller ones would have no room for what a datagram needs beside its content. */
const datagramBytesMin = 512;
/** The most that UDP carries over IPv4. */
const datagramBytesMax = 65_507;
const logLevels = ["debug", "info", "warn", "error"] as const;

export const nodeSettings = {
  id: setting({
    key: "id",
    shape: { kind: "integer" },
    sample: 1,
    isNeeded: true,
    option: option("number", integer(1, nodeIdMax), "the id of this node in the server list"),
    toml: (id) => id,
  }),
  servers: setting({
    key: "servers",
    shape: { kind: "list" },
    sample: ["1,127.0.0.1:4001", "2,127.0.0.1:4002", "3,127.0.0.1:4003"],
    isNeeded: true,
    option: option(
      "list",
      parseServers,
      "all nodes, as 'id,host:replicate[,host:service];…'; the service port defaults to the replicate port + 1000",
    ),
    toml: (servers) => servers.map((server) => formatServers([server])),
  }),
  members: setting({
    key: "members",
    shape: { kind: "list" },
    sample: "1,2,3",
    isNeeded: false,
    option: option(
      "ids",
      idList,
      "who of the server list votes in a new cluster: 1,2,3; all but the observers unless given",
    ),
    toml: (ids) => ids.join(","),
  }),
  observers: setting({
    key: "observers",
    shape: { kind: "list" },
    sample: "4,5",
    isNeeded: false,
    option: option(
      "ids",
      idList,
      "who of the server list only receives the log in a new cluster, and never votes: 4,5",
    ),
    toml: (ids) => ids.join(","),
  }),
  join: setting({
    key: "join",
    shape: { kind: "list" },
    sample: "127.0.0.1:5001",
    isNeeded: false,
    option: option(
      "list",
      endpointList,
      "join the running cluster that serves at these endpoints, host:port,…, instead of making a new one",
    ),
    toml: (endpoints) => endpoints.join(","),
  }),
  data: setting({
    key: "data",
    shape: { kind: "path" },
    sample: "./n1",
    isNeeded: true,
    option: option("directory", text, "where this node keeps its data, made when it does not exist"),
    toml: (value) => value,
  }),
  cluster: setting({
    key: "cluster",
    shape: { kind: "text" },
    sample: "proa",
    isNeeded: false,
    option: option("name", clusterName, "the name of the cluster: nodes of another name are strangers", {
      defaultText: "proa",
    }),
    toml: (value) => value,
  }),
  electionTimeout: setting({
    key: "timing.election_timeout",
    shape: { kind: "text" },
    sample: "400ms",
    isNeeded: false,
    option: option("duration", duration, "how long a follower waits for its leader before it thinks of an election", {
      defaultText: "400ms",
    }),
    toml: durationText,
  }),
  heartbeat: setting({
    key: "timing.heartbeat",
    shape: { kind: "text" },
    sample: "80ms",
    isNeeded: false,
    option: option("duration", duration, "how often a leader makes itself heard", { defaultText: "80ms" }),
    toml: durationText,
  }),
  snapshotEntries: setting({
    key: "snapshots.entries",
    shape: { kind: "integer" },
    sample: 100_000,
    isNeeded: false,
    option: option(
      "number",
      integer(1, 1e9),
      "after how many entries of the log a node writes its store to a snapshot and forgets them; a tenth of them stays for nodes that lag",
      { defaultText: "100000" },
    ),
    toml: (value) => value,
  }),
  snapshotSize: setting({
    key: "snapshots.size",
    shape: { kind: "text" },
    sample: "128MiB",
    isNeeded: false,
    option: option(
      "size",
      byteSize,
      "the same by the size of the log; where half of the last snapshot is more, after as much",
      { defaultText: "128MiB" },
    ),
    toml: (bytes) => String(bytes),
  }),
  transport: setting({
    key: "transport.kind",
    shape: { kind: "choice", words: transportKinds },
    sample: "tcp",
    isNeeded: false,
    option: option(
      "kind",
      choice(...transportKinds),
      "what carries the messages between nodes: tcp or udp; the same on all nodes",
      { defaultText: "tcp" },
    ),
    toml: (value) => value,
  }),
  mtu: optionalSetting({
    key: "transport.mtu",
    shape: { kind: "integer" },
    sample: 1200,
    isNeeded: false,
    option: option(
      "bytes",
      integer(datagramBytesMin, datagramBytesMax),
      "the largest datagram that --transport udp sends; 16384 to a peer on the same machine and 1200 to others unless given",
    ),
    toml: (value) => value,
  }),
  clusterKeyFile: optionalSetting({
    key: "transport.cluster_key_file",
    shape: { kind: "path" },
    sample: "./cluster.key",
    isNeeded: false,
    option: option(
      "file",
      text,
      "a file with the secret that all nodes share, such as one made by: openssl rand -hex 32 > cluster.key",
    ),
    toml: (value) => value,
  }),
  logLevel: setting({
    key: "log_level",
    shape: { kind: "choice", words: logLevels },
    sample: "info",
    isNeeded: false,
    option: option(
      "level",
      choice(...logLevels),
      "the least important events that are logged: debug, info, warn or error",
      { defaultText: "info" },
    ),
    toml: (value) => value,
  }),
} as const;

type Table = typeof nodeSettings;
export type NodeSettingName = keyof Table;

type ValueOf<S> = S extends NodeSetting<infer V> ? V : never;

/** What the flags, or another source, say: undefined where they say nothing. */
export type NodeSettingValues = { readonly [K in NodeSettingName]: ValueOf<Table[K]> | undefined };

/** What a node is started with: settings that are needed or have a default are there. */
export type NodeValues = { readonly [K in Exclude<NodeSettingName, Omissible>]: ValueOf<Table[K]> } & {
  readonly [K in Omissible]: ValueOf<Table[K]> | undefined;
};

/** Settings that have no default and that a node can do without. */
type Omissible = "servers" | "members" | "observers" | "join";

/** The flags of the table, for a command. */
export const nodeSettingFlags = Object.fromEntries(
  Object.entries(nodeSettings).map(([name, { option: flag }]) => [name, flag]),
) as { readonly [K in NodeSettingName]: Table[K]["option"] };

export const settingNames = Object.keys(nodeSettings) as readonly NodeSettingName[];

/** A setting, whatever its type. */
export function settingOf(name: NodeSettingName): NodeSetting<unknown> {
  return nodeSettings[name];
}

function setting<V>(spec: NodeSetting<V>): NodeSetting<V> {
  return spec;
}

/** A setting that nobody needs to name, and that has no default of its own. */
function optionalSetting<V>(
  spec: Omit<NodeSetting<V>, "option"> & { readonly option: OptionSpec<V | undefined> },
): NodeSetting<V | undefined> {
  return { ...spec, toml: (value) => (value === undefined ? "" : spec.toml(value)) };
}

function durationText(millis: number): string {
  return `${String(millis)}ms`;
}

/** Names go into files and messages of all nodes. */
const clusterNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

function clusterName(value: string): string {
  if (clusterNamePattern.test(value)) return value;
  throw new ProaError(
    "USAGE",
    `Cannot use the cluster name ${JSON.stringify(value)}: expected 1 to 63 letters, digits, dots, dashes or underscores`,
    {
      hint: "it begins with a letter or a digit",
    },
  );
}
