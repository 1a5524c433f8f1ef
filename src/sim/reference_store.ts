/** A store in the plainest way: every version that every key ever had, by the entry that made it. Shares no code with what it is compared with. */
import { assert, unreachable } from "../lib/assert.ts";
import type { Index } from "../raft/mod.ts";
import { defaultSettings, type LeaseMoment } from "../wire/mod.ts";
import type { CommandAnswer, OperationAnswer } from "./answers.ts";
import type { Command, SetCommand } from "./commands.ts";
import type { LeaseWishCommand } from "./lease_commands.ts";
import { isQuery, type Operation, type Query, type SimpleCommand } from "./operations.ts";
import type { ReferenceLeases } from "./reference_leases.ts";
import type { Change } from "./reference_past.ts";
import type { Condition, Transaction } from "./transactions.ts";
import { check } from "./violation.ts";
import { compareValues, type FoundKey, type KeyVersion, type ValueId } from "./versions.ts";

interface IndexedChange {
  readonly index: Index;
  /** Null: the key was deleted. */
  readonly version: KeyVersion | null;
}

export class ReferenceStore {
  revision = 1;
  /** Below it nothing can be read. */
  compactedRevision = 1;
  /** The fewest revisions that a setting ever asked to keep; 0 once another limit decides as well. */
  private keptMin = defaultSettings.history_revisions;
  /** All of all keys, in order. */
  readonly log: Change[] = [];
  /** Every value that was ever written to a key. */
  readonly written = new Set<ValueId>();
  /** The keys that went with their leases, and the values that they had. */
  readonly lostWithLease: { readonly key: string; readonly value: ValueId }[] = [];
  /** By key, in the order of their indexes. */
  private readonly changes = new Map<string, IndexedChange[]>();

  constructor(readonly leases: ReferenceLeases) {}

  /** Carries out a command of entry `index`, none of which comes after a later one. */
  execute(command: Command, index: Index): CommandAnswer {
    const answer = this.carryOut(command, index);
    this.leases.endDeserted((id) => this.keysOn(id).length > 0);
    return answer;
  }

  private carryOut(command: Command, index: Index): CommandAnswer {
    if (command.kind === "txn") return this.executeTxn(command, index);
    if (command.kind === "set") return this.set(command);
    if (command.kind === "lease") return this.executeLease(command, index);
    const ifRevision = command.kind === "deleteRange" ? null : command.ifRevision;
    const modRevision = command.kind === "deleteRange" ? 0 : (this.latest(command.key)?.modRevision ?? 0);
    if (ifRevision !== null && ifRevision !== modRevision)
      return { ...this.nothing, status: "preconditionFailed", modRevision };
    const missing = this.missingLease([command]);
    if (missing !== null) return missing;
    const ttlMs = command.kind === "put" ? command.ttlMs : 0;
    const lease = ttlMs > 0 ? this.leases.grant(0, ttlMs, true) : null;
    const revision = this.revision + 1;
    const changed = this.change(command, { index, revision, lease: lease?.id ?? null });
    if (changed > 0) this.revision = revision;
    return { ...this.nothing, modRevision: command.kind === "put" ? revision : 0, changed, lease };
  }

  /** An answer that nothing was done. */
  private get nothing(): CommandAnswer {
    return { status: "ok", revision: this.revision, modRevision: 0, changed: 0, txn: null, lease: null };
  }

  /** What is said where one of `operations` hangs a key on a lease that does not exist; null: none does. */
  private missingLease(operations: readonly Operation[]): CommandAnswer | null {
    const missing = operations.find((one) => one.kind === "put" && one.lease > 0 && !this.leases.has(one.lease));
    if (missing?.kind !== "put") return null;
    return { ...this.nothing, status: "leaseNotFound", lease: { kind: "missing", id: missing.lease } };
  }

  private executeLease({ wish }: LeaseWishCommand, index: Index): CommandAnswer {
    if (wish.kind === "grant") {
      const lease = this.leases.grant(wish.id, wish.ttlMs, false);
      return lease === null ? { ...this.nothing, status: "leaseExists" } : { ...this.nothing, lease };
    }
    if (!this.leases.has(wish.id))
      return { ...this.nothing, status: "leaseNotFound", lease: { kind: "missing", id: wish.id } };
    if (wish.kind === "renew") return { ...this.nothing, lease: this.leases.renew(wish.id) };
    const changed = this.endLease(wish.id, index);
    return { ...this.nothing, changed };
  }

  /** A leader said that the time of a lease is over. */
  expire(moment: LeaseMoment, index: Index): void {
    if (this.leases.expires(moment)) this.endLease(moment.id, index);
  }

  /** Deletes the keys of a lease in one revision, and returns how many. */
  private endLease(id: number, index: Index): number {
    const doomed = this.keysOn(id);
    if (doomed.length > 0) this.revision++;
    for (const key of doomed) {
      const version = this.latest(key);
      if (version !== null) this.lostWithLease.push({ key, value: version.value });
      this.add(key, null, { index, revision: this.revision });
    }
    this.leases.end(id);
    return doomed.length;
  }

  private keysOn(lease: number): readonly string[] {
    return [...this.changes.keys()].filter((key) => this.latest(key)?.lease === lease).sort();
  }

  /** The keys that a query asks for as they were behind entry `index`. */
  foundAt(query: Query, index: Index): readonly FoundKey[] {
    return this.keysOf(query).flatMap((key) => {
      const version = this.changes.get(key)?.findLast((change) => change.index <= index)?.version ?? null;
      return version === null ? [] : [{ key, version }];
    });
  }

  private set({ settings }: SetCommand): CommandAnswer {
    const { history_revisions, history_bytes } = settings;
    this.keptMin = Math.min(this.keptMin, history_revisions ?? Infinity, history_bytes === undefined ? Infinity : 0);
    return this.nothing;
  }

  /** Forgets what only revisions below `revision` show, by the wish of a leader: no more than any setting allowed. */
  compact(revision: number): void {
    check(
      revision <= this.revision - this.keptMin,
      "compaction",
      () => `compacted to ${revision} of ${this.revision}, of which at least ${this.keptMin} are to be kept`,
    );
    this.compactedRevision = Math.max(this.compactedRevision, revision);
  }

  private executeTxn(txn: Transaction, index: Index): CommandAnswer {
    const succeeded = txn.conditions.every((condition) => this.holds(condition));
    const branch = succeeded ? txn.then : txn.else;
    const missing = this.missingLease(branch);
    if (missing !== null) return missing;
    const revision = this.revision + 1;
    let changed = 0;
    const carryOut = (operation: Operation): OperationAnswer => {
      if (isQuery(operation)) return { kind: "query", revision: this.revision, found: this.foundAt(operation, index) };
      const count = this.change(operation, { index, revision, lease: null });
      changed += count;
      if (count > 0) this.revision = revision;
      return operation.kind === "put" ? { kind: "put", modRevision: revision } : { kind: "delete", deleted: count };
    };
    const operations = branch.map(carryOut);
    return { ...this.nothing, changed, txn: { succeeded, operations } };
  }

  private holds({ key, target, relation, operand }: Condition): boolean {
    const version = this.latest(key);
    const difference = differenceOf(version, target, operand);
    if (difference === null) return false;
    switch (relation) {
      case "=":
        return difference === 0;
      case "!=":
        return difference !== 0;
      case "<":
        return difference < 0;
      case ">":
        return difference > 0;
      default:
        return unreachable(relation);
    }
  }

  /** Changes keys whatever the condition says, and returns how many. `lease` was granted for them. */
  private change(
    command: SimpleCommand,
    at: { readonly index: Index; readonly revision: number; readonly lease: number | null },
  ): number {
    const { revision } = at;
    if (command.kind !== "put") {
      const doomed = command.kind === "delete" ? [command.key] : this.keysOf({ ...command, kind: "range" });
      const present = doomed.filter((key) => this.latest(key) !== null);
      for (const key of present) this.add(key, null, at);
      return present.length;
    }
    const { key, value, length } = command;
    const before = this.latest(key);
    const createRevision = before?.createRevision ?? revision;
    const lease = at.lease ?? command.lease;
    const count = (before?.version ?? 0) + 1;
    const version = { value, length, createRevision, modRevision: revision, version: count, lease };
    this.add(key, version, at);
    this.written.add(value);
    return 1;
  }

  private add(key: string, version: KeyVersion | null, at: { readonly index: Index; readonly revision: number }): void {
    this.log.push({ key, revision: at.revision, version, previous: this.latest(key) });
    let changes = this.changes.get(key);
    if (changes === undefined) this.changes.set(key, (changes = []));
    changes.push({ index: at.index, version });
  }

  private latest(key: string): KeyVersion | null {
    return this.changes.get(key)?.at(-1)?.version ?? null;
  }

  private keysOf(query: Query): readonly string[] {
    if (query.kind === "get") return [query.key];
    return [...this.changes.keys()].filter((key) => key >= query.start && key < query.end).sort();
  }
}

/** By how much what a condition is about is above its operand; null: it compares with nothing. */
function differenceOf(
  version: KeyVersion | null,
  target: Condition["target"],
  operand: Condition["operand"],
): number | null {
  if (typeof operand !== "number") return version === null ? null : compareValues(version, operand);
  switch (target) {
    case "version":
      return (version?.version ?? 0) - operand;
    case "create_revision":
      return (version?.createRevision ?? 0) - operand;
    case "mod_revision":
      return (version?.modRevision ?? 0) - operand;
    case "lease":
      return (version?.lease ?? 0) - operand;
    case "value":
      assert(false, "a value is compared with a value");
  }
}
