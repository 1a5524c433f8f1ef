/** What one client asks for next: drawn at random, with conditions on what it saw last. */
import type { Random } from "../lib/random.ts";
import { compareRelations } from "../wire/mod.ts";
import type { CommandAnswer } from "./answers.ts";
import { between, happens, pick, streamOf } from "./chance.ts";
import type { Command } from "./commands.ts";
import type { LeaseWish } from "./lease_commands.ts";
import { type Hanging, isQuery, notHanging, type Operation, type Query, type SimpleCommand } from "./operations.ts";
import type { Plan } from "./plan.ts";
import type { Condition, Transaction } from "./transactions.ts";
import { type FoundKey, type KeyVersion, type NamedValue, type ValueId, valueIdBytes } from "./versions.ts";

/** A revision that no key ever has. */
const wildRevision = 1_000_000_000;

export class Drafts {
  /** The revisions of keys as they were last seen: 0 where a key did not exist. */
  private readonly revisions = new Map<string, number>();
  /** Keys as they were last read. */
  private readonly versions = new Map<string, KeyVersion>();
  /** Leases that it was granted, the latest last. */
  private readonly leases: number[] = [];
  private readonly transactions: Random;
  private readonly hangings: Random;

  constructor(
    private readonly plan: Plan,
    private readonly random: Random,
    number: number,
  ) {
    this.hangings = streamOf(plan.seed, `leases of client ${number}`);
    this.transactions = streamOf(plan.seed, `transactions of client ${number}`);
  }

  query(random = this.random): Query {
    if (happens(random, 0.8)) return { kind: "get", key: this.key(random) };
    return { kind: "range", ...this.range(random) };
  }

  /** Values are still to be given: see {@link withValues}. */
  command(): Command {
    const { hangingShare, transactionShare } = this.plan;
    if (happens(this.hangings, hangingShare / 2)) return { kind: "lease", wish: this.leaseWish() };
    if (happens(this.transactions, transactionShare)) return this.transaction();
    return this.simple(this.random, { conditions: true });
  }

  private leaseWish(): LeaseWish {
    const { hangings: random } = this;
    const known = this.leases.at(-1 - random.integer(0, 2));
    if (known === undefined || happens(random, 0.3)) {
      const id = happens(random, 0.8) ? 0 : random.integer(1000, 1003);
      return { kind: "grant", id, ttlMs: this.ttlMs() };
    }
    return { kind: happens(random, 0.8) ? "renew" : "revoke", id: known };
  }

  /** What a put hangs its key on: a lease that was granted, and may have ended, or one of its own. */
  private hanging(): Hanging {
    const { hangings: random } = this;
    if (!happens(random, this.plan.hangingShare)) return notHanging;
    const known = this.leases.at(-1 - random.integer(0, 2));
    if (known !== undefined && happens(random, 0.7)) return { lease: known, ttlMs: 0 };
    return { lease: 0, ttlMs: this.ttlMs() };
  }

  private ttlMs(): number {
    return Math.ceil(this.plan.limits.electionTimeoutMs * between(this.hangings, 0.3, 6));
  }

  private simple(random: Random, { conditions }: { readonly conditions: boolean }): SimpleCommand {
    const key = this.key(random);
    const ifRevision = conditions && happens(random, 0.35) ? this.revision(random, key) : null;
    if (happens(random, 0.75)) return { kind: "put", key, value: 0, length: 0, ifRevision, ...this.hanging() };
    return happens(random, 0.2) ? { kind: "deleteRange", ...this.range(random) } : { kind: "delete", key, ifRevision };
  }

  private transaction(): Transaction {
    const { transactions: random } = this;
    const conditions = Array.from({ length: random.integer(0, 2) }, () => this.condition());
    return { kind: "txn", conditions, then: this.branch(), else: happens(random, 0.6) ? this.branch() : [] };
  }

  private condition(): Condition {
    const { transactions: random } = this;
    const key = this.key(random);
    const relation = happens(random, 0.6) ? "=" : pick(random, compareRelations);
    const version = this.versions.get(key);
    const target = pick(random, ["value", "version", "create_revision", "mod_revision", "lease"] as const);
    switch (target) {
      case "value":
        return { key, target, relation, operand: this.valueLike(version) };
      case "version":
        return { key, target, relation, operand: version?.version ?? random.integer(0, 2) };
      case "create_revision": // 0: whether it exists
        return { key, target, relation, operand: happens(random, 0.5) ? 0 : (version?.createRevision ?? 0) };
      case "mod_revision":
        return { key, target, relation, operand: this.revision(random, key) };
      case "lease":
        return { key, target, relation, operand: version?.lease ?? 0 };
    }
  }

  /** A value as it was seen, or one that begins with the same bytes. */
  private valueLike(version: KeyVersion | undefined): NamedValue {
    if (version === undefined) return { value: 1, length: valueIdBytes };
    const { value, length } = version;
    return { value, length: happens(this.transactions, 0.3) ? Math.max(valueIdBytes, length - 1) : length };
  }

  /** No key of it is put twice, or put and deleted: it is all one revision, which has one version of a key. */
  private branch(): readonly Operation[] {
    const { transactions: random } = this;
    const branch: Operation[] = [];
    for (let wanted = random.integer(1, 4); wanted > 0; wanted--) {
      const operation = happens(random, 0.25)
        ? this.query(random)
        : withoutTtl(this.simple(random, { conditions: false }));
      if (isQuery(operation) || branch.every((other) => isQuery(other) || !clash(operation, other)))
        branch.push(operation);
    }
    return branch;
  }

  private revision(random: Random, key: string): number {
    return happens(random, 0.05) ? wildRevision : (this.revisions.get(key) ?? 0);
  }

  private key(random: Random): string {
    return pick(random, this.plan.keys);
  }

  private range(random: Random): { readonly start: string; readonly end: string } {
    const start = this.key(random);
    return { start, end: String.fromCharCode(start.charCodeAt(0) + random.integer(1, 3)) };
  }

  /** Every try writes values of its own, so that it shows which of them took effect. */
  withValues(command: Command, newValue: () => ValueId): Command {
    if (command.kind === "set" || command.kind === "lease") return command;
    if (command.kind !== "txn") return this.withValue(command, newValue);
    const fill = (branch: readonly Operation[]): readonly Operation[] =>
      branch.map((operation) => (isQuery(operation) ? operation : this.withValue(operation, newValue)));
    return { ...command, then: fill(command.then), else: fill(command.else) };
  }

  private withValue(command: SimpleCommand, newValue: () => ValueId): SimpleCommand {
    if (command.kind !== "put") return command;
    const length = Math.max(valueIdBytes, this.random.integer(0, this.plan.valueBytesMax));
    return { ...command, value: newValue(), length };
  }

  learnFromWrite(command: Command, answer: CommandAnswer | undefined): void {
    if (answer?.lease?.kind === "granted") this.leases.push(answer.lease.id);
    if (answer === undefined || (command.kind !== "put" && command.kind !== "delete")) return;
    if (answer.status === "ok") this.revisions.set(command.key, answer.modRevision);
    else this.revisions.delete(command.key);
  }

  /** `keys` are all that were asked for. */
  learnFromRead(keys: readonly string[], found: readonly FoundKey[]): void {
    for (const key of keys) {
      const version = found.find((item) => item.key === key)?.version;
      this.revisions.set(key, version?.modRevision ?? 0);
      if (version === undefined) this.versions.delete(key);
      else this.versions.set(key, version);
    }
  }
}

/** A transaction grants no leases. */
function withoutTtl(command: SimpleCommand): SimpleCommand {
  return command.kind === "put" ? { ...command, ttlMs: 0 } : command;
}

/** Whether two commands write to the same key, and one of them puts it. */
function clash(a: SimpleCommand, b: SimpleCommand): boolean {
  if (a.kind === "put") return b.kind === "deleteRange" ? isIn(a.key, b) : a.key === b.key;
  if (b.kind !== "put") return false;
  return a.kind === "deleteRange" ? isIn(b.key, a) : a.key === b.key;
}

function isIn(key: string, { start, end }: { readonly start: string; readonly end: string }): boolean {
  return key >= start && key < end;
}
