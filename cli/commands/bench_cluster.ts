/** A cluster for one run of `proa bench`: real nodes in a directory that is removed with them, however the run ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { LocalCluster } from "../../src/local/cluster.ts";
import { freePorts } from "../../src/local/ports.ts";
import { formatHostPort, type ServerAddress } from "../../src/local/server_list.ts";

/** How long the nodes may take to serve. Milliseconds. */
const startMs = 30_000;

export class BenchCluster {
  private readonly cluster: LocalCluster;
  private servers: readonly ServerAddress[] = [];
  /** The end of the start, however it came. */
  private started: Promise<unknown> = Promise.resolve();

  constructor({ runtime }: Pick<Context, "runtime">) {
    this.cluster = new LocalCluster(mkdtempSync(join(tmpdir(), "proa-bench-")), runtime);
  }

  private get directory(): string {
    return this.cluster.layout.directory;
  }

  get endpoints(): readonly string[] {
    return this.servers.map(({ service }) => formatHostPort(service));
  }

  /** Starts `count` nodes that end with this process, on ports that were free. Throws LOCAL_RESOURCE when they do not serve. */
  async start(count: number): Promise<void> {
    const host = "127.0.0.1";
    const ports = await freePorts(host, 2 * count);
    this.servers = Array.from({ length: count }, (_, at) => ({
      id: at + 1,
      replicate: { host, port: ports[2 * at] ?? 0 },
      service: { host, port: ports[2 * at + 1] ?? 0 },
    }));
    const file = { mode: "foreground", servers: this.servers, startedAt: new Date().toISOString() } as const;
    const starting = this.cluster.start(file, performance.now() + startMs);
    this.started = starting.catch(() => undefined);
    const failure = await starting;
    if (failure === null) return;
    throw new ProaError("LOCAL_RESOURCE", `Cannot start a cluster for the run: node ${failure.id} ${failure.reason}`, {
      hint: "see what its log says",
      tried: failure.log,
    });
  }

  /** Ends the nodes and removes all that they wrote, also in the middle of their start. */
  async remove(): Promise<void> {
    await this.cluster.stopChildren();
    await this.started; // it has lost its nodes
    await this.cluster.stopChildren(); // those that it started while the others ended
    rmSync(this.directory, { recursive: true, force: true });
  }
}
