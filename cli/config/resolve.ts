/** Decides what a node is started with: a flag wins over a variable, a variable over the file, the file over the default. */
import { kebabCase } from "../command.ts";
import { readVariable, type Environment } from "../context.ts";
import { ProaError } from "../../src/lib/errors.ts";
import type { ConfigFile } from "./config_file.ts";
import { settingNames, settingOf } from "./node_settings.ts";
import type { NodeSettingName, NodeSettingValues, NodeValues } from "./node_settings.ts";

export interface Sources {
  readonly typed: Partial<NodeSettingValues>;
  readonly env: Environment;
  readonly file: ConfigFile | null;
}

/** A value and who said it: `--heartbeat`, `PROA_HEARTBEAT`, `node.toml:7` or `default`. */
export interface Sourced {
  readonly value: unknown;
  readonly source: string;
}

/** Two values that are right one by one and do not fit together. */
export interface Misfit {
  readonly name: NodeSettingName;
  /** "Cannot <do>: <reason>". */
  readonly message: string;
  readonly hint: string;
}

/** What holds, for each setting that somebody named or that has a default. Throws USAGE for a wrong value in the environment. */
export function sourcedSettings(sources: Sources): ReadonlyMap<NodeSettingName, Sourced> {
  const settled = new Map<NodeSettingName, Sourced>();
  for (const name of settingNames) {
    const found = sourcedSetting(name, sources);
    if (found !== null) settled.set(name, found);
  }
  return settled;
}

/** What a node is started with. Throws USAGE when something is missing, wrong, or does not fit the rest. */
export function resolveNode(sources: Sources): NodeValues {
  const settled = sourcedSettings(sources);
  for (const name of settingNames) {
    const isTold = name === "servers" && settled.has("join"); // the running cluster says where its nodes are
    if (settingOf(name).isNeeded && !settled.has(name) && !isTold) throw missing(name);
  }
  const values = valuesOf(settled) as NodeValues; // nothing that is needed is missing
  const misfit = misfitOf(values);
  if (misfit !== null) throw new ProaError("USAGE", misfit.message, { hint: misfit.hint });
  return values;
}

/** The first thing that does not fit in `values`; null if nothing. What is not there fits. */
export function misfitOf(values: Partial<NodeSettingValues>): Misfit | null {
  const { electionTimeout, heartbeat, transport, mtu } = values;
  if (electionTimeout !== undefined && heartbeat !== undefined && electionTimeout < 3 * heartbeat) {
    const reason = `${String(electionTimeout)} ms are less than three heartbeats of ${String(heartbeat)} ms`;
    return {
      name: "electionTimeout",
      message: `Cannot use this election timeout: ${reason}`,
      hint: "ten heartbeats are usual",
    };
  }
  if (mtu !== undefined && transport === "tcp") {
    return {
      name: "mtu",
      message: "Cannot use an mtu with the transport tcp: only datagrams have one",
      hint: "leave it out, or choose --transport udp",
    };
  }
  return null;
}

export function valuesOf(settled: ReadonlyMap<NodeSettingName, Sourced>): Partial<NodeSettingValues> {
  const values = [...settled].map(([name, { value }]) => [name, value]);
  return Object.fromEntries(values) as Partial<NodeSettingValues>; // each value was read by the setting of its name
}

/** The variable that stands for a setting: `PROA_ELECTION_TIMEOUT`. */
export function variableOf(name: NodeSettingName): string {
  return `PROA_${kebabCase(name).replaceAll("-", "_").toUpperCase()}`;
}

function sourcedSetting(name: NodeSettingName, { typed, env, file }: Sources): Sourced | null {
  if (typed[name] !== undefined) return { value: typed[name], source: `--${kebabCase(name)}` };
  const { option } = settingOf(name);
  const variable = variableOf(name);
  const said = env[variable];
  if (said !== undefined && said !== "") {
    return { value: readVariable(variable, said, (value) => option.read([value])), source: variable };
  }
  const written = file?.values.get(name);
  if (file !== null && written !== undefined) {
    return { value: option.read([written.text]), source: `${file.path}:${String(written.line)}` };
  }
  return option.defaultText === null ? null : { value: option.read([option.defaultText]), source: "default" };
}

function missing(name: NodeSettingName): ProaError {
  const { key, option } = settingOf(name);
  const flag = `--${kebabCase(name)}`;
  return new ProaError("USAGE", `Cannot start a node without ${flag}`, {
    hint: `add ${flag} <${option.placeholder ?? ""}>: ${option.description}; or name a file that has ${key} by --config`,
  });
}
