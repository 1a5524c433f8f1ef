/** Clients that write without a pause and remember what they were promised. */
import { classifyFetchFailure } from "../../src/client/fetch_failure.ts";
import type { RealCluster } from "./cluster.ts";

export interface LoadReport {
  /** Keys whose write was acknowledged; each has its own name as value. */
  readonly acknowledged: readonly string[];
  /** Answers that say that nothing happened. */
  readonly refused: number;
  /** Answers that say that nobody knows, and answers that never came. */
  readonly unknown: number;
  /** What they said, with the node that was asked. */
  readonly unknownReasons: readonly string[];
  /** Connections that could not be made. */
  readonly unreachable: number;
  /** The longest time between two acknowledgements, in milliseconds. */
  readonly longestPauseMs: number;
}

/** Writes from `callers` callers at once, each key once, to the nodes in turn, until stopped. */
export class Load {
  private readonly acknowledged: string[] = [];
  private refused = 0;
  private readonly unknownReasons: string[] = [];
  private unreachable = 0;
  private longestPauseMs = 0;
  /** The longest since the last call of {@link takePause}. */
  private pauseMs = 0;
  private lastAckAt = performance.now();
  private running = true;
  private readonly callers: readonly Promise<void>[];

  constructor(
    private readonly cluster: RealCluster,
    private readonly options: {
      readonly callers: number;
      readonly prefix: string;
      /** Whom to write to; default: all nodes that there are. */
      readonly targets?: () => readonly number[];
    },
  ) {
    this.callers = Array.from({ length: options.callers }, (_, caller) =>
      this.call(caller, `${options.prefix}-${caller}`),
    );
  }

  get acknowledgedCount(): number {
    return this.acknowledged.length;
  }

  /** The longest time between two acknowledgements since the last call, in milliseconds, up to now. */
  takePause(): number {
    const pauseMs = Math.max(this.pauseMs, performance.now() - this.lastAckAt);
    this.pauseMs = 0;
    return pauseMs;
  }

  async stop(): Promise<LoadReport> {
    this.running = false;
    await Promise.all(this.callers);
    const { acknowledged, refused, unknownReasons, unreachable, longestPauseMs } = this;
    return { acknowledged, refused, unknown: unknownReasons.length, unknownReasons, unreachable, longestPauseMs };
  }

  private async call(caller: number, name: string): Promise<void> {
    for (let count = 0; this.running; count++) {
      const ids = this.options.targets?.() ?? this.cluster.ids;
      const id = ids[(caller + count) % ids.length] ?? 1;
      await this.put(id, `${name}-${count}`);
    }
  }

  private async put(id: number, key: string): Promise<void> {
    try {
      const response = await fetch(`http://${this.cluster.endpoint(id)}/v1/kv/${key}`, {
        method: "PUT",
        body: key,
        signal: AbortSignal.timeout(10_000),
      });
      const said = await response.text();
      if (response.status === 200) this.onAcknowledged(key);
      else if (response.status === 504) this.unknownReasons.push(`node ${id}: ${said.trim()}`);
      else this.refused++;
    } catch (error) {
      if (classifyFetchFailure(error).sent !== "no") this.unknownReasons.push(`node ${id}: ${String(error)}`);
      else {
        this.unreachable++;
        await new Promise((resolve) => setTimeout(resolve, 10)); // the node is down: do not spin
      }
    }
  }

  private onAcknowledged(key: string): void {
    const now = performance.now();
    this.longestPauseMs = Math.max(this.longestPauseMs, now - this.lastAckAt);
    this.pauseMs = Math.max(this.pauseMs, now - this.lastAckAt);
    this.lastAckAt = now;
    this.acknowledged.push(key);
  }
}

/** The acknowledged keys that a node does not have, or not with the value that was written. */
export async function lostKeys(
  cluster: RealCluster,
  id: number,
  acknowledged: readonly string[],
): Promise<readonly string[]> {
  const found = new Map<string, string>();
  let next: string | null = "";
  while (next !== null) {
    const response = await fetch(`http://${cluster.endpoint(id)}/v1/kv?start=${next}&consistency=stale`);
    const page = (await response.json()) as { kvs: { key: string; value: string }[]; more: boolean; next?: string };
    for (const { key, value } of page.kvs) found.set(key, value);
    next = page.more ? (page.next ?? null) : null;
  }
  return acknowledged.filter((key) => found.get(key) !== key);
}
