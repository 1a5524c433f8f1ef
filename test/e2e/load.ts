/** Clients that write without a pause and remember what they were promised. */
import type { RealCluster } from "./cluster.ts";

export interface LoadReport {
  /** Keys whose write was acknowledged; each has its own name as value. */
  readonly acknowledged: readonly string[];
  /** Answers that say that nothing happened. */
  readonly refused: number;
  /** Answers that say that nobody knows, and answers that never came. */
  readonly unknown: number;
  /** Connections that could not be made. */
  readonly unreachable: number;
  /** The longest time between two acknowledgements, in milliseconds. */
  readonly longestPauseMs: number;
}

/** Writes from `callers` callers at once, each key once, to the nodes `to` in turn (all of them unless told), until stopped. */
export class Load {
  private readonly acknowledged: string[] = [];
  private refused = 0;
  private unknown = 0;
  private unreachable = 0;
  private longestPauseMs = 0;
  private lastAckAt = performance.now();
  private running = true;
  private readonly callers: readonly Promise<void>[];

  constructor(
    private readonly cluster: RealCluster,
    private readonly options: { readonly callers: number; readonly prefix: string; readonly to?: readonly number[] },
  ) {
    this.callers = Array.from({ length: options.callers }, (_, caller) =>
      this.call(caller, `${options.prefix}-${caller}`),
    );
  }

  get acknowledgedCount(): number {
    return this.acknowledged.length;
  }

  async stop(): Promise<LoadReport> {
    this.running = false;
    await Promise.all(this.callers);
    const { acknowledged, refused, unknown, unreachable, longestPauseMs } = this;
    return { acknowledged, refused, unknown, unreachable, longestPauseMs };
  }

  private async call(caller: number, name: string): Promise<void> {
    const ids = this.options.to ?? this.cluster.ids;
    for (let count = 0; this.running; count++) {
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
      await response.text();
      if (response.status === 200) this.onAcknowledged(key);
      else if (response.status === 504) this.unknown++;
      else this.refused++;
    } catch (error) {
      const refused = error instanceof Error && "code" in error && error.code === "ConnectionRefused";
      if (!refused) this.unknown++;
      else {
        this.unreachable++;
        await new Promise((resolve) => setTimeout(resolve, 10)); // the node is down: do not spin
      }
    }
  }

  private onAcknowledged(key: string): void {
    const now = performance.now();
    this.longestPauseMs = Math.max(this.longestPauseMs, now - this.lastAckAt);
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
