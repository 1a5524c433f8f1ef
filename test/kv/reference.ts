/** A store that is too simple to be wrong: for each key a list of everything that ever happened to it. */
import type {
  CommandResult,
  Comparison,
  GetAnswer,
  KeyState,
  LeaseAnswer,
  LeaseView,
  LeasesAnswer,
  RangeAnswer,
} from "../../src/wire/mod.ts";
import { missingBody } from "../../src/wire/mod.ts";
import { type ReferenceLease, type ReferenceOutcome, ReferenceLeases } from "./reference_leases.ts";
import {
  type OperationAnswer,
  type TestCommand,
  type TestOnce,
  type TestOperation,
  type TestTxn,
  bytes,
} from "./driver.ts";

/** What one revision did to one key; version 0: deleted it. */
interface Change extends KeyState {
  readonly key: Uint8Array;
}

export class Reference {
  revision = 1;
  compactedRevision = 1;
  /** What the latest transaction answered; null: nothing, for want of a lease. */
  txn: { succeeded: boolean; answers: OperationAnswer[] } | null = null;
  /** What the latest request with an id answered. */
  once: readonly CommandResult[] = [];
  readonly leases = new ReferenceLeases();
  private readonly answered = new Map<string, readonly CommandResult[]>();
  /** Of every key that ever existed, the oldest first. */
  private readonly changes = new Map<string, Change[]>();
  /** The revision of the transaction that is under way; null: there is none, or it has changed nothing yet. */
  private txnRevision: number | null = null;
  private inTxn = false;

  apply(command: TestCommand): CommandResult {
    const result = this.carryOut(command);
    const used = new Set(this.latest.map(({ lease }) => lease));
    if (!this.inTxn) this.leases.keep(({ id, bound }) => !bound || used.has(id));
    return result;
  }

  private carryOut(command: TestCommand): CommandResult {
    switch (command.kind) {
      case "put":
      case "delete":
        return this.applyToKey(command);
      case "deleteRange": {
        const end = command.end === null ? null : bytes(command.end);
        const doomed = this.rowsAt(this.revision).filter((row) => inRange(row.key, bytes(command.start), end));
        if (doomed.length > 0) this.raise();
        for (const row of doomed) this.bury(row.key);
        return this.result(doomed.length);
      }
      case "compact":
        this.compactedRevision = Math.max(this.compactedRevision, Math.min(command.revision, this.revision));
        return this.result(0);
      case "set":
        return this.result(0);
      case "lease":
        return this.endLease(this.leases.apply(command.command));
      case "txn":
        return this.applyTxn(command);
      case "once":
        return this.applyOnce(command);
    }
  }

  private endLease({ status, body, ended }: ReferenceOutcome): CommandResult {
    const doomed = ended === undefined ? [] : this.keysOf(ended);
    if (doomed.length > 0) this.raise();
    for (const key of doomed) this.bury(key);
    this.leases.keep(({ id }) => id !== ended);
    return { ...this.result(doomed.length), status, ...(body !== undefined && { body }) };
  }

  /** The keys of a lease, in order. */
  keysOf(id: number): readonly Uint8Array[] {
    const keys = this.latest.filter(({ lease }) => lease === id).map(({ key }) => key);
    return keys.sort(compare);
  }

  lease(id: number): LeaseAnswer {
    const lease = this.leases.list.find((candidate) => candidate.id === id);
    if (lease === undefined) return { revision: this.revision, lease: null, keys: [], more: false };
    return { revision: this.revision, lease: this.viewOf(lease), keys: this.keysOf(id), more: false };
  }

  allLeases(after: number, limit: number): LeasesAnswer {
    const { list } = this.leases;
    const rest = list.filter(({ granted }) => granted > after);
    const leases = rest.slice(0, limit).map((lease) => this.viewOf(lease));
    return { revision: this.revision, count: list.length, leases, more: rest.length > limit };
  }

  private viewOf({ id, ttlMs, remainingMs, granted, bound }: ReferenceLease): LeaseView {
    return { id, ttlMs, remainingMs, granted, bound, keyCount: this.keysOf(id).length };
  }

  /** Remembers every request for ever: the tests must not ask for more than a store remembers. */
  private applyOnce({ id, commands }: TestOnce): CommandResult {
    const name = JSON.stringify(id);
    this.once = this.answered.get(name) ?? commands.map((command) => this.apply(command));
    this.answered.set(name, this.once);
    return this.result(0);
  }

  private applyTxn({ compare, then, else: otherwise }: TestTxn): CommandResult {
    const succeeded = compare.every((comparison) => this.holds(comparison));
    const branch = succeeded ? then : otherwise;
    for (const operation of branch) {
      const lease = operation.kind === "put" ? (operation.lease ?? 0) : 0;
      if (lease === 0 || this.leases.has(lease)) continue;
      this.txn = null;
      return { ...this.result(0), status: "leaseNotFound", body: missingBody(lease) };
    }
    this.txnRevision = null;
    this.inTxn = true;
    const answers = branch.map((operation) => this.answer(operation));
    this.inTxn = false;
    this.txn = { succeeded, answers };
    const changed = answers.reduce(
      (sum, answer) => sum + (answer !== "omitted" && "changed" in answer ? answer.changed : 0),
      0,
    );
    return this.result(changed);
  }

  private answer(operation: TestOperation): OperationAnswer {
    switch (operation.kind) {
      case "get":
        return this.get(bytes(operation.key));
      case "range": {
        const end = operation.end === null ? null : bytes(operation.end);
        return this.range(bytes(operation.start), end, { limit: operation.limit, keysOnly: false });
      }
      default:
        return { changed: this.apply(operation).changed };
    }
  }

  private holds({ key, target, relation, operand }: Comparison): boolean {
    const state = this.stateAt(key, this.revision);
    const numbers = {
      version: state?.version ?? 0,
      create_revision: state?.createRevision ?? 0,
      mod_revision: state?.modRevision ?? 0,
      lease: state?.lease ?? 0,
    };
    if (typeof operand !== "number" && state === null) return false;
    const order =
      typeof operand === "number"
        ? Math.sign((target === "value" ? 0 : numbers[target]) - operand)
        : compare(state?.value ?? operand, operand);
    return { "=": order === 0, "!=": order !== 0, "<": order < 0, ">": order > 0 }[relation];
  }

  /** A command that changes something gets the next revision, all of a transaction the same. */
  private raise(): void {
    if (this.inTxn && this.txnRevision === this.revision) return;
    this.txnRevision = ++this.revision;
  }

  private applyToKey(command: TestCommand & { kind: "put" | "delete" }): CommandResult {
    const key = bytes(command.key);
    const old = this.stateAt(key, this.revision);
    const modRevision = old?.modRevision ?? 0;
    if (command.ifRevision !== undefined && command.ifRevision !== modRevision)
      return { status: "preconditionFailed", revision: this.revision, modRevision, changed: 0 };
    if (command.kind === "delete" && old === null) return this.result(0);
    if (command.kind === "delete") {
      this.raise();
      this.bury(key);
      return this.result(1);
    }
    const { ttlMs = 0 } = command;
    let { lease = 0 } = command;
    if (lease > 0 && !this.leases.has(lease))
      return { ...this.result(0), status: "leaseNotFound", body: missingBody(lease) };
    const granted = ttlMs === 0 ? null : this.leases.grant({ id: 0, ttlMs }, true);
    if (granted !== null) lease = this.leases.newest;
    this.raise();
    this.record({
      key,
      value: bytes(command.value),
      createRevision: old?.createRevision ?? this.revision,
      modRevision: this.revision,
      version: (old?.version ?? 0) + 1,
      lease,
    });
    const body = granted?.body;
    return { ...this.result(1), modRevision: this.revision, ...(body !== undefined && { body }) };
  }

  get(key: Uint8Array, revision = this.revision): GetAnswer {
    return { revision: this.revision, state: this.stateAt(key, revision) };
  }

  range(
    start: Uint8Array,
    end: Uint8Array | null,
    options: { readonly limit: number; readonly keysOnly: boolean; readonly revision?: number },
  ): RangeAnswer {
    const { limit, keysOnly, revision = this.revision } = options;
    const all = this.rowsAt(revision).filter((row) => inRange(row.key, start, end));
    const items = all.slice(0, limit).map((row) => {
      const state = stateOf(row);
      return { key: row.key, state: keysOnly ? { ...state, value: new Uint8Array() } : state };
    });
    return { revision: this.revision, more: all.length > limit, items };
  }

  /** The newest first, down to the one that the compacted revision shows. */
  history(key: Uint8Array): readonly KeyState[] {
    const versions = (this.changes.get(String(key)) ?? []).toReversed();
    const oldest = versions.findIndex((version) => version.modRevision <= this.compactedRevision);
    const readable = oldest === -1 ? versions : versions.slice(0, oldest + 1);
    return readable.filter((change) => change.version > 0 || change.modRevision > this.compactedRevision).map(stateOf);
  }

  modRevision(key: Uint8Array): number {
    return this.stateAt(key, this.revision)?.modRevision ?? 0;
  }

  get size(): number {
    return this.latest.filter(({ version }) => version > 0).length;
  }

  private bury(key: Uint8Array): void {
    const value = new Uint8Array();
    this.record({ key, value, createRevision: 0, modRevision: this.revision, version: 0, lease: 0 });
  }

  private record(change: Change): void {
    const changes = this.changes.get(String(change.key));
    if (changes === undefined) this.changes.set(String(change.key), [change]);
    else changes.push(change);
  }

  private result(changed: number): CommandResult {
    return { status: "ok", revision: this.revision, modRevision: 0, changed };
  }

  private stateAt(key: Uint8Array, revision: number): KeyState | null {
    const change = this.changes.get(String(key))?.findLast(({ modRevision }) => modRevision <= revision);
    return change === undefined || change.version === 0 ? null : stateOf(change);
  }

  /** Every key that exists at `revision`, in order. */
  private rowsAt(revision: number): readonly Change[] {
    const rows = [...this.changes.values()].flatMap((changes) => {
      const row = changes.findLast(({ modRevision }) => modRevision <= revision);
      return row === undefined || row.version === 0 ? [] : [row];
    });
    return rows.sort((a, b) => compare(a.key, b.key));
  }

  /** The newest change of each key. */
  private get latest(): readonly Change[] {
    return [...this.changes.values()].flatMap((changes) => changes.at(-1) ?? []);
  }
}

function stateOf({ value, createRevision, modRevision, version, lease }: KeyState): KeyState {
  return { value, createRevision, modRevision, version, lease };
}

function compare(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

function inRange(key: Uint8Array, start: Uint8Array, end: Uint8Array | null): boolean {
  return compare(key, start) >= 0 && (end === null || end.length === 0 || compare(key, end) < 0);
}
