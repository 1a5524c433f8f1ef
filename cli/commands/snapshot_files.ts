/** What `proa snapshot info` and `proa snapshot restore` do with a file: nothing in it is believed before it was checked. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { configFileOf } from "../config/config_file.ts";
import type { NodeSettingValues, NodeValues } from "../config/node_settings.ts";
import { resolveNode } from "../config/resolve.ts";
import type { Context } from "../context.ts";
import { placesOf } from "../places.ts";
import { snapshotFacts } from "./snapshot_facts.ts";
import { Store } from "../../src/kv/mod.ts";
import { CorruptError, ProaError } from "../../src/lib/errors.ts";
import { formatHostPort } from "../../src/local/server_list.ts";
import { newMembership, type Membership } from "../../src/raft/mod.ts";
import { createRestoredDirectory, openFileBytes, SavedSnapshot } from "../../src/storage/mod.ts";

/** The only group that there is. */
const group = 0;

export function showSnapshot({ file }: { readonly file: string }, { output }: Context): void {
  const { facts, digest } = reading(file, (saved) => ({ digest: saved.verify(), facts: snapshotFacts(saved) }));
  output.result({ file, ok: true, ...facts, digest }, () => {
    const rows: readonly (readonly [name: string, value: string])[] = [
      ["cluster", `${facts.cluster} (${facts.cluster_id})`],
      ["saved", `${facts.saved_at} by node ${String(facts.node_id)}, proa ${facts.version}`],
      ["revision", String(facts.revision)],
      ["index", `${String(facts.index)}, term ${String(facts.term)}`],
      ["keys", String(facts.keys)],
      ["bytes", String(facts.bytes)],
      ["digest", `${digest}, as it must be`],
    ];
    return rows.map(([name, value]) => `${name.padEnd(9)} ${value}\n`).join("");
  });
}

export interface RestoreRequest extends Partial<NodeSettingValues> {
  readonly file: string;
  readonly token: string;
  readonly config: string | undefined;
}

export function restoreSnapshot({ file, token, ...typed }: RestoreRequest, { runtime, output, env }: Context): void {
  const values = resolveNode({ typed, env, file: configFileOf(typed, env) });
  const { id, cluster } = values;
  const membership = membershipOf(values);
  const directory = resolve(values.data);
  const facts = reading(file, (saved) => {
    const digest = saved.verify();
    const clusterId = clusterIdOf({ digest, cluster, membership, token });
    const { index, term } = saved.meta;
    const owner = { clusterId, cluster, nodeId: id };
    createRestoredDirectory(
      { runtime, directory },
      { owner, group, index, term, membership, copyImage: (append) => copyImage(saved, append) },
    );
    const { revision, keys } = saved.facts;
    return { directory, node_id: id, cluster, cluster_id: clusterId, revision, index, keys };
  });
  const what = `revision ${String(facts.revision)}, ${String(facts.keys)} keys`;
  output.confirmation(
    facts,
    `restored ${what} to ${values.data}, for node ${String(id)} of the new cluster ${facts.cluster_id}`,
  );
}

/** Runs `work` on a file that was opened, and says what is wrong with it in words for people. */
function reading<T>(file: string, work: (saved: SavedSnapshot) => T): T {
  const status = statSync(file, { throwIfNoEntry: false });
  if (status?.isFile() !== true) {
    const reason = status === undefined ? "there is no such file" : "it is no file"; // which alone can be read anywhere
    throw new ProaError("USAGE", `Cannot read ${file}: ${reason}`, {
      hint: "name a file that proa snapshot save wrote",
    });
  }
  let saved: SavedSnapshot | null = null;
  try {
    saved = new SavedSnapshot(openFileBytes(file));
    return work(saved);
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    throw new ProaError("DATA_CORRUPT", `Cannot use ${file}: ${error.message}`, {
      hint: "it is damaged or cut off, and nothing in it can be trusted: take another copy, or save a new one with proa snapshot save",
      cause: error,
    });
  } finally {
    saved?.close();
  }
}

/** Hands the image on, and builds the store of it, which checks what no checksum can: order, counts and the state hash. */
function copyImage(saved: SavedSnapshot, append: (piece: Uint8Array) => void): void {
  const sink = new Store().restore(saved.meta.index);
  saved.readAll((piece) => {
    sink.push(piece);
    append(piece);
  });
  sink.finish();
}

function membershipOf(values: NodeValues): Membership {
  if (values.join !== undefined) {
    throw new ProaError("USAGE", "Cannot restore a node that joins: a restored cluster is a new one", {
      hint: "leave out join, and list all nodes with --servers",
    });
  }
  const { servers, observers } = placesOf(values);
  if (!servers.some(({ id }) => id === values.id)) {
    throw new ProaError("USAGE", `Cannot restore node ${String(values.id)}: the server list does not name it`, {
      hint: "add the node to --servers, or correct --id",
    });
  }
  return newMembership({
    voters: servers.map(({ id }) => id).filter((id) => !observers.includes(id)),
    learners: observers,
    servers: servers.map(({ id, replicate, service }) => ({
      id,
      replicate: formatHostPort(replicate),
      service: formatHostPort(service),
    })),
  });
}

/** The same for all nodes of one restored cluster, and for no other one: they were made of the same things. */
function clusterIdOf(of: {
  readonly digest: string;
  readonly cluster: string;
  readonly membership: Membership;
  readonly token: string;
}): string {
  const { voters, learners, servers } = of.membership;
  const places = servers.map(({ id, replicate }) => [id, replicate]);
  const text = JSON.stringify(["restored", of.digest, of.cluster, of.token, voters, learners, places]);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
