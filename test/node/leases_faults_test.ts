/**
 * Leases while leaders are cut off, stopped and killed: none ends as long as a client that was told of its latest renewal may
 * count on it, and each ends in the end.
 */
import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import type { Node } from "../../src/node/mod.ts";
import { type LeaseCommand, writeLease, writePut } from "../../src/wire/mod.ts";
import { TestCluster, textOf } from "./cluster.ts";

/** What its client knows of a lease. */
interface Held {
  readonly id: number;
  readonly ttlMs: number;
  /** When the latest grant or renewal was sent that was acknowledged. */
  sentAt: number;
  /** Whether a node has said that it is gone. */
  over: boolean;
  renewing: boolean;
}

const stepMs = 50;

class Faults {
  readonly cluster = new TestCluster({ nodes: 3 });
  readonly held: Held[] = [];
  renewals = 0;
  faults = 0;
  private readonly ids = [1, 2, 3];
  /** The node that is in trouble, and how; never two, so that the others can go on. */
  private trouble: { readonly id: number; readonly kind: "cut" | "paused" | "down" } | null = null;

  constructor(private readonly random: Random) {
    this.cluster.leader();
  }

  private get leader(): Node | null {
    const leaders = this.cluster.nodes.filter((node) => node.view(0).role === "leader");
    return leaders[this.random.integer(0, Math.max(0, leaders.length - 1))] ?? null;
  }

  private run(command: LeaseCommand, onDone: (status: string) => void): void {
    const writer = new ByteWriter();
    writeLease(writer, command);
    const { leader } = this;
    if (leader === null) return onDone("refused");
    const waiting = this.cluster.write(leader, writer.take());
    this.pending.push(() => {
      if (waiting.end === null) return false;
      onDone(waiting.end.kind === "applied" ? waiting.end.result.status : "refused");
      return true;
    });
  }

  /** Each says whether it has ended. */
  private pending: (() => boolean)[] = [];

  /** A lease with a key of its name. */
  grant(): void {
    const id = this.held.length + 1;
    const ttlMs = this.random.integer(1000, 6000);
    const sentAt = this.cluster.clock.now();
    this.run({ kind: "grant", id, ttlMs }, (status) => {
      if (status !== "ok") return;
      const writer = new ByteWriter();
      const key = new TextEncoder().encode(`key/${id}`);
      writePut(writer, { key, value: key, ifRevision: null, lease: id });
      const { leader } = this;
      if (leader === null) return;
      const put = this.cluster.write(leader, writer.take());
      this.pending.push(() => {
        if (put.end === null) return false;
        if (put.end.kind === "applied" && put.end.result.status === "ok")
          this.held.push({ id, ttlMs, sentAt, over: false, renewing: false });
        return true;
      });
    });
  }

  renew(lease: Held): void {
    const sentAt = this.cluster.clock.now();
    lease.renewing = true;
    this.run({ kind: "renew", id: lease.id }, (status) => {
      lease.renewing = false;
      if (status === "leaseNotFound") lease.over = true;
      if (status !== "ok") return;
      lease.sentAt = Math.max(lease.sentAt, sentAt);
      this.renewals++;
    });
  }

  step(): void {
    const { random, cluster } = this;
    cluster.advance(stepMs);
    const { pending } = this;
    this.pending = [];
    for (const hasEnded of pending) if (!hasEnded()) this.pending.push(hasEnded);
    this.check();
    if (random.integer(0, 9) === 0 && this.held.length < 40 && this.pending.length === 0) this.grant();
    for (const lease of this.held) if (!lease.over && !lease.renewing && random.integer(0, 29) === 0) this.renew(lease);
    if (random.integer(0, 19) === 0) this.makeTrouble();
  }

  /** A lease that its client may count on has its key, wherever its put was applied. */
  private check(): void {
    const now = this.cluster.clock.now();
    for (const lease of this.held) {
      for (const node of this.cluster.nodes) {
        if (node.id === this.trouble?.id) continue;
        const isThere = textOf(this.cluster.get(node, `key/${lease.id}`, "stale")) !== null;
        if (!isThere && node.view(0).role === "leader" && node.view(0).ready) {
          expect([lease.id, lease.sentAt + lease.ttlMs <= now]).toEqual([lease.id, true]);
          lease.over = true;
        }
      }
    }
  }

  private makeTrouble(): void {
    const { cluster, trouble, random } = this;
    this.faults++;
    if (trouble !== null) {
      if (trouble.kind === "cut") cluster.network.heal();
      else if (trouble.kind === "paused") cluster.resume(trouble.id);
      else cluster.start(trouble.id);
      this.trouble = null;
      return;
    }
    const id = random.integer(0, 2) === 0 ? random.integer(1, this.ids.length) : (this.leader?.id ?? 1);
    const kind = (["cut", "paused", "down"] as const)[random.integer(0, 2)] ?? "cut";
    if (kind === "cut") cluster.isolate(id);
    else if (kind === "paused") cluster.pause(id);
    else cluster.crash(id);
    this.trouble = { id, kind };
  }

  /** Nothing is in anybody's way any more. */
  heal(): void {
    if (this.trouble !== null) this.makeTrouble();
  }
}

for (const seed of [1, 2]) {
  test(`no lease ends before its client expects it, and all end in the end (seed ${seed})`, () => {
    const world = new Faults(seededRandom(seed));
    for (let step = 0; step < 800; step++) world.step();
    expect(world.held.length).toBeGreaterThan(20);
    expect(world.renewals).toBeGreaterThan(60);
    expect(world.faults).toBeGreaterThan(15);
    world.heal();
    const { cluster } = world;
    cluster.until(() => cluster.nodes.length === 3 && cluster.nodes.every((node) => node.status(0).key_count === 0));
    expect(new Set(cluster.nodes.map((node) => node.status(0).state_hash)).size).toBe(1);
  });
}
