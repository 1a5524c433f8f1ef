/** Looks after the nodes of a foreground cluster while its process lives: does what others request, and reports ends. */
import { rmSync } from "node:fs";
import type { LocalCluster, StartFailure } from "./cluster.ts";
import type { ClusterFile } from "./cluster_file.ts";
import { finishRequest, pendingRequests } from "./requests.ts";
import type { NodeChild } from "./spawn.ts";
import { sleep } from "./wait.ts";

export interface OwnerEvents {
  /** A node's process is gone, whoever ended it. */
  onNodeEnded(id: number): void;
  onNodeStarted(id: number): void;
  onStartFailed(failure: StartFailure): void;
}

/** How often requests and children are looked at: nobody notices such a delay. Milliseconds. */
const pollMs = 50;
/** How long a node may take to answer after a restart. Milliseconds. */
const restartPatienceMs = 30_000;

export class Owner {
  private readonly cluster: LocalCluster;
  private readonly file: ClusterFile;
  private readonly events: OwnerEvents;
  private readonly reported = new Set<NodeChild>();
  private stopping = false;

  /** The cluster was started by this process, in the foreground; its lock is held. */
  constructor(cluster: LocalCluster, file: ClusterFile, events: OwnerEvents) {
    this.cluster = cluster;
    this.file = file;
    this.events = events;
    rmSync(cluster.layout.requestDirectory, { recursive: true, force: true }); // meant for an owner before us
  }

  /** Resolves when somebody requests the end of the cluster, or after {@link leave}; ends no node. */
  async run(): Promise<void> {
    const { layout } = this.cluster;
    while (!this.stopping) {
      this.reportEnds();
      for (const request of pendingRequests(layout)) {
        if (request.kind === "restart") await this.restart(request.id);
        finishRequest(layout, request);
        if (request.kind === "stop") return;
      }
      await sleep(pollMs);
    }
  }

  leave(): void {
    this.stopping = true;
  }

  private reportEnds(): void {
    for (const { id } of this.file.servers) {
      const child = this.cluster.child(id);
      if (child === null || child.end === null || this.reported.has(child)) continue;
      this.reported.add(child);
      this.events.onNodeEnded(id);
    }
  }

  private async restart(id: number): Promise<void> {
    const server = this.file.servers.find((candidate) => candidate.id === id);
    if (server === undefined) return; // the one who asked has checked: this is a stray file
    const child = this.cluster.child(id);
    if (child !== null && child.end === null) await this.cluster.stop([child]);
    if (child !== null) this.reported.add(child);
    if (this.stopping) return;
    await this.cluster.startNode(id, this.file);
    const failure = await this.cluster.nodeServes(server, performance.now() + restartPatienceMs);
    if (failure === null) this.events.onNodeStarted(id);
    else this.events.onStartFailed(failure);
  }
}
