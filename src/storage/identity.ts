/**
 * `identity.json`: whose data directory this is, and which one. Written once, before the node promises anything, and never
 * changed, so that no node ever speaks for another or for another cluster (rule M13), or for itself in an earlier life
 * that was on another disk (rule P13).
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { assert } from "../lib/assert.ts";
import { ProaError } from "../lib/errors.ts";
import type { DirectoryNumber, NodeId } from "../raft/mod.ts";
import { readTextFile, replaceFile } from "./files.ts";

export interface Owner {
  /** 32 hexadecimal digits, the same on every node of the cluster and on no other's. */
  readonly clusterId: string;
  /** The name that people gave the cluster. */
  readonly cluster: string;
  readonly nodeId: NodeId;
}

export interface Identity extends Owner {
  /** Drawn when the directory was made. 0 in one that a proa made that did not number them, until it is opened. */
  readonly directoryNumber: DirectoryNumber;
}

export const identityFile = "identity.json";

/** A greater number in a file means that a newer program wrote it. */
const format = 2;
/** The one that knew no numbers of directories. */
const formatWithoutNumber = 1;
/** So many that no two directories ever share one by chance. */
const numberBytes = 6;

/** The identity in `directory`, null if there is none. Throws DATA_CORRUPT, or DATA_FOREIGN for a newer format. */
export function readIdentity(directory: string): Identity | null {
  const text = readTextFile(join(directory, identityFile));
  return text === null ? null : decodeIdentity(directory, text);
}

/** Writes the identity, durably. */
export function writeIdentity(directory: string, identity: Identity): void {
  replaceFile(directory, join(directory, identityFile), `${encodeIdentity(identity)}\n`);
}

/** The text of `identity.json`. */
export function encodeIdentity({ clusterId, cluster, nodeId, directoryNumber }: Identity): string {
  assert(isOwner({ clusterId, cluster, nodeId }), "an identity needs a cluster id, a cluster name and a node id");
  const owner = { cluster_id: clusterId, cluster, node_id: nodeId };
  if (directoryNumber === 0) return JSON.stringify({ format: formatWithoutNumber, ...owner });
  return JSON.stringify({ format, ...owner, directory_number: directoryNumber });
}

/** The number of a new directory. */
export function newDirectoryNumber(): DirectoryNumber {
  return 1 + randomBytes(numberBytes).readUIntBE(0, numberBytes);
}

/**
 * Throws DATA_FOREIGN unless the directory belongs to the expected node of the expected cluster. Cluster ids are not
 * compared: the expected one is derived from the first list of servers, and that list may have changed since.
 */
export function refuseForeign(directory: string, found: Owner, expected: Owner): void {
  if (found.nodeId === expected.nodeId && found.cluster === expected.cluster) return;
  throw new ProaError(
    "DATA_FOREIGN",
    `Cannot open ${directory}: it belongs to ${nameOf(found)}, not to ${nameOf(expected)}`,
    {
      hint: `start node ${found.nodeId} of cluster "${found.cluster}" on it, or give this node a directory of its own`,
    },
  );
}

/** Reads what {@link encodeIdentity} wrote, now or in an earlier format. Throws as {@link readIdentity} does. */
export function decodeIdentity(directory: string, text: string): Identity {
  const object = parseObject(text);
  if (typeof object?.["format"] === "number" && object["format"] > format) {
    throw new ProaError("DATA_FOREIGN", `Cannot open ${directory}: ${identityFile} has format ${object["format"]}`, {
      hint: `this proa knows only format ${format}: start the node with the version that wrote it`,
    });
  }
  const owner = { clusterId: object?.["cluster_id"], cluster: object?.["cluster"], nodeId: object?.["node_id"] };
  const directoryNumber = object?.["format"] === formatWithoutNumber ? 0 : object?.["directory_number"];
  const isKnown =
    object?.["format"] === formatWithoutNumber || (object?.["format"] === format && directoryNumber !== 0);
  if (isKnown && isOwner(owner) && isCount(directoryNumber)) return { ...owner, directoryNumber };
  throw new ProaError("DATA_CORRUPT", `Cannot open ${directory}: ${identityFile} is damaged`, {
    hint: "put back the file that was there; if it is lost, replace the node by one with a new id and an empty directory",
  });
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isOwner(value: { readonly [field in keyof Owner]: unknown }): value is Owner {
  const { clusterId, cluster, nodeId } = value;
  if (typeof clusterId !== "string" || !/^[0-9a-f]{32}$/.test(clusterId)) return false;
  return typeof cluster === "string" && isCount(nodeId) && nodeId > 0;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function nameOf({ nodeId, cluster }: Owner): string {
  return `node ${nodeId} of cluster "${cluster}"`;
}
