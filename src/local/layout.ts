/** Where a local cluster keeps what, below one directory. Knows names; reads only which nodes are there. */
import { existsSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "./processes.ts";

export class Layout {
  /** @param directory an absolute path. */
  constructor(readonly directory: string) {}

  /** What runs here: see {@link ClusterFile}. */
  get clusterFile(): string {
    return join(this.directory, "cluster.json");
  }

  /** The service ports, one `host:port` a line, while the cluster runs: the default endpoints of every command. */
  get endpointsFile(): string {
    return join(this.directory, "endpoints");
  }

  /** What others ask of a foreground cluster: see {@link postRequest}. */
  get requestDirectory(): string {
    return join(this.directory, "requests");
  }

  nodeDirectory(id: number): string {
    return join(this.directory, `n${id}`);
  }

  nodeLog(id: number): string {
    return join(this.directory, `n${id}.log`);
  }

  /** The nodes that have a data directory, ascending. */
  nodeIds(): readonly number[] {
    return this.idsIn(/^n([1-9][0-9]*)$/);
  }

  /** The nodes that have a log, ascending. */
  logIds(): readonly number[] {
    return this.idsIn(/^n([1-9][0-9]*)\.log$/);
  }

  /** Whether node `id` was ever started to the point where its directory became its own. */
  nodeHasData(id: number): boolean {
    return existsSync(join(this.nodeDirectory(id), "identity.json"));
  }

  removeData(id: number): void {
    rmSync(this.nodeDirectory(id), { recursive: true, force: true });
  }

  /** Deletes what belongs to a cluster, and the directory if nothing else is in it. */
  removeAll(): void {
    for (const name of this.names()) {
      if (/^n[1-9][0-9]*(\.log)?$/.test(name)) rmSync(join(this.directory, name), { recursive: true, force: true });
    }
    for (const path of [this.clusterFile, this.endpointsFile, this.requestDirectory, join(this.directory, "lock")]) {
      rmSync(path, { recursive: true, force: true });
    }
    try {
      rmdirSync(this.directory);
    } catch (error) {
      if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTEMPTY") && !hasCode(error, "EEXIST")) throw error;
    }
  }

  private idsIn(pattern: RegExp): readonly number[] {
    const ids = this.names().flatMap((name) => pattern.exec(name)?.slice(1) ?? []);
    return ids.map(Number).sort((a, b) => a - b);
  }

  private names(): readonly string[] {
    try {
      return readdirSync(this.directory);
    } catch (error) {
      if (hasCode(error, "ENOENT")) return [];
      throw error;
    }
  }
}
