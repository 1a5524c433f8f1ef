/** What a saved snapshot says about itself, as JSON has it. */
import type { SavedSnapshot } from "../../src/storage/mod.ts";

export interface SnapshotFacts {
  readonly cluster: string;
  readonly cluster_id: string;
  readonly node_id: number;
  readonly index: number;
  readonly term: number;
  readonly revision: number;
  readonly keys: number;
  /** Of the store, without what frames it in the file. */
  readonly bytes: number;
  readonly saved_at: string;
  readonly version: string;
}

export function snapshotFacts({ facts, bytes }: SavedSnapshot): SnapshotFacts {
  const { cluster, clusterId, nodeId, index, term, revision, keys, savedAt, version } = facts;
  return {
    cluster,
    cluster_id: clusterId,
    node_id: nodeId,
    index,
    term,
    revision,
    keys,
    bytes,
    saved_at: savedAt,
    version,
  };
}
