/**
 * Random commands and queries against a reference that is too simple to be wrong. `PROA_MODEL_OPERATIONS` says how many
 * operations there are for each seed, for longer runs by hand.
 */
import { describe, expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import {
  type CommandResult,
  type Comparison,
  defaultCommandLimits,
  readResult,
  validateCommands,
} from "../../src/wire/mod.ts";
import {
  type TestCommand,
  type TestOnce,
  type TestOperation,
  type TestTxn,
  bytes,
  compact,
  encodeCommands,
  get,
  history,
  lease,
  leaseOf,
  leasesOf,
  nextEntry,
  onceResults,
  payloadOf,
  range,
  txnAnswer,
} from "./driver.ts";
import { Reference } from "./reference.ts";

const operationsMin = Number(process.env["PROA_MODEL_OPERATIONS"] ?? 4_000);

const alphabet = [0x00, 0x2f, 0x61, 0x80, 0xff];

function randomKey(random: Random, lengthMin: number): Uint8Array {
  return Uint8Array.from(
    { length: random.integer(lengthMin, 3) },
    () => alphabet[random.integer(0, alphabet.length - 1)] ?? 0,
  );
}

function randomEnd(random: Random): Uint8Array | null {
  return random.integer(0, 9) === 0 ? null : randomKey(random, 0);
}

/** Mostly conditions that could hold, so that both ends are common. */
function randomCondition(random: Random, current: number): { readonly ifRevision?: number } {
  const kind = random.integer(0, 5);
  if (kind === 0) return { ifRevision: 0 };
  if (kind === 1) return { ifRevision: current };
  if (kind === 2) return { ifRevision: current + random.integer(-1, 1) < 0 ? 1 : current + 1 };
  return {};
}

const targets = ["version", "create_revision", "mod_revision", "lease"] as const;
const relations = ["=", "!=", "<", ">"] as const;

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random.integer(0, choices.length - 1)] as T;
}

function randomComparison(random: Random, reference: Reference): Comparison {
  const key = randomKey(random, 1);
  const relation = pick(random, relations);
  const state = reference.get(key).state;
  if (random.integer(0, 1) === 0) {
    const operand = random.integer(0, 1) === 0 ? (state?.value ?? new Uint8Array()) : randomKey(random, 0);
    return { key, relation, target: "value", operand };
  }
  const revision = state?.modRevision ?? 0;
  const operand = Math.max(0, pick(random, [0, 1, state?.version ?? 0, revision]) + random.integer(-1, 1));
  return { key, relation, target: pick(random, targets), operand };
}

/** Ids that may be chosen: so few that they are taken again after their leases have ended. */
const leaseIdMax = 12;

/** Mostly leases that exist. */
function randomLeaseId(random: Random, { leases }: Reference): number {
  const { list } = leases;
  const lease = list[random.integer(0, Math.max(0, list.length - 1))];
  return lease === undefined || random.integer(0, 9) === 0 ? random.integer(1, leaseIdMax) : lease.id;
}

function randomLeaseCommand(random: Random, reference: Reference): TestCommand {
  const id = randomLeaseId(random, reference);
  const held = reference.leases.list.find((candidate) => candidate.id === id);
  const renewal = Math.max(0, (held?.renewal ?? 1) - (random.integer(0, 3) === 0 ? 1 : 0));
  const dice = random.integer(0, 9);
  if (dice < 3) {
    const chosen = random.integer(0, 1) === 0 ? 0 : random.integer(1, leaseIdMax);
    return lease({ kind: "grant", id: chosen, ttlMs: random.integer(1000, 9000) });
  }
  if (dice < 5) return lease({ kind: "renew", id });
  if (dice < 6) return lease({ kind: "revoke", id });
  if (dice < 8) return lease({ kind: "expire", id, renewal });
  const checkpoints = [{ id, renewal, remainingMs: random.integer(0, 10_000) }];
  return lease({ kind: "checkpoint", leases: checkpoints });
}

/** Perhaps a lease to hang on, seldom one that is missing. */
function randomHanging(random: Random, share: number, reference?: Reference): { readonly lease?: number } {
  if (random.integer(0, 99) >= share * 100) return {};
  return { lease: reference === undefined ? random.integer(1, 3) : randomLeaseId(random, reference) };
}

/** Operations that put no key twice, and none that another deletes. */
function randomBranch(random: Random): TestOperation[] {
  const operations = Array.from({ length: random.integer(0, 5) }, (): TestOperation => {
    const key = randomKey(random, 1);
    const dice = random.integer(0, 9);
    if (dice < 4) return { kind: "put", key, value: randomKey(random, 0), ...randomHanging(random, 0.5) };
    if (dice < 6) return { kind: "delete", key };
    if (dice < 7)
      return { kind: "deleteRange", start: new Uint8Array([...key, 0]), end: new Uint8Array([...key, 0xff]) };
    if (dice < 9) return { kind: "get", key };
    return { kind: "range", start: key, end: randomEnd(random), limit: random.integer(1, 9) };
  });
  return validateCommands(
    encodeCommands([{ kind: "txn", compare: [], then: operations, else: [] }]),
    defaultCommandLimits,
  ).ok
    ? operations
    : [];
}

function randomTxn(random: Random, reference: Reference): TestTxn {
  const compare = Array.from({ length: random.integer(0, 2) }, () => randomComparison(random, reference));
  return { kind: "txn", compare, then: randomBranch(random), else: randomBranch(random) };
}

/** A new request, or one of the last few hundred again. */
function randomOnce(random: Random, reference: Reference): TestOnce {
  const born = 0;
  const session = `s${random.integer(0, 9)}`;
  const old = pastRequests[random.integer(0, Math.max(0, pastRequests.length - 1))];
  if (old !== undefined && random.integer(0, 1) === 0) return old;
  const commands = Array.from({ length: random.integer(1, 3) }, () => randomPlainCommand(random, reference));
  const once = { kind: "once", id: { born, session, seq: pastRequests.length + 1 }, commands } as const;
  pastRequests.push(once);
  return once;
}

const pastRequests: TestOnce[] = [];

function randomCommand(random: Random, reference: Reference): TestCommand {
  if (random.integer(0, 9) === 0) return randomOnce(random, reference);
  return randomPlainCommand(random, reference);
}

function randomPlainCommand(random: Random, reference: Reference): TestCommand {
  if (random.integer(0, 9) === 0) return randomTxn(random, reference);
  if (random.integer(0, 7) === 0) return randomLeaseCommand(random, reference);
  const key = randomKey(random, 1);
  const condition = randomCondition(random, reference.modRevision(key));
  const dice = random.integer(0, 199);
  if (dice < 130) {
    const value = Uint8Array.from({ length: random.integer(0, 12) }, () => random.integer(0, 255));
    if (random.integer(0, 19) === 0)
      return { kind: "put", key, value, ...condition, ttlMs: random.integer(1000, 9000) };
    return { kind: "put", key, value, ...condition, ...randomHanging(random, 0.2, reference) };
  }
  if (dice < 190) return { kind: "delete", key, ...condition };
  if (dice < 194)
    return compact(random.integer(0, 9) === 0 ? reference.revision + 1 : randomRevision(random, reference));
  // Short ranges mostly: a store that is always empty tests little.
  const start = randomKey(random, 2);
  return { kind: "deleteRange", start, end: dice === 194 ? randomEnd(random) : new Uint8Array([...start, 0xff, 0xff]) };
}

/** A revision that can be read. */
function randomRevision(random: Random, { compactedRevision, revision }: Reference): number {
  return Math.max(compactedRevision, revision - random.integer(0, 150));
}

/** Applies one random entry to both stores and checks each result against the reference. */
function applyRandomEntry(
  random: Random,
  stores: { readonly checked: Store; readonly twin: Store },
  reference: Reference,
): number {
  const commands: TestCommand[] = [];
  const expected: CommandResult[] = [];
  const txns: { readonly at: number; readonly txn: TestTxn; readonly expected: Reference["txn"] }[] = [];
  const onces: { readonly at: number; readonly once: TestOnce; readonly expected: Reference["once"] }[] = [];
  for (let count = random.integer(1, 20); count > 0; count--) {
    const command = randomCommand(random, reference);
    commands.push(command);
    expected.push(reference.apply(command));
    if (command.kind === "once") onces.push({ at: commands.length - 1, once: command, expected: reference.once });
    if (command.kind === "txn") txns.push({ at: commands.length - 1, txn: command, expected: reference.txn });
  }
  const payload = payloadOf(commands);
  const results = new ByteWriter();
  stores.checked.apply(nextEntry(stores.checked, payload), results);
  stores.twin.apply(nextEntry(stores.twin, payload), null);
  const reader = new ByteReader(results.peek());
  const actual: CommandResult[] = [];
  while (reader.remaining > 0) actual.push(readResult(reader));
  for (const { at, txn, expected: wanted } of txns) {
    const result = actual[at];
    if (result !== undefined && wanted !== null) expectSame(txnAnswer(txn, result), wanted);
  }
  for (const { at, once, expected: wanted } of onces) {
    const result = actual[at];
    if (result === undefined) throw new Error("a command without a result");
    expectSame(shown(once.commands, onceResults(result)), shown(once.commands, wanted));
  }
  expectSame(shown(commands, actual), shown(commands, expected));
  return commands.length;
}

function checkRandomQueries(random: Random, store: Store, reference: Reference): number {
  const key = randomKey(random, 1);
  expectSame(get(store, key), reference.get(key));
  const revision = randomRevision(random, reference);
  expectSame(get(store, key, revision), reference.get(key, revision));
  const start = randomKey(random, 0);
  const end = randomEnd(random);
  const options = {
    limit: random.integer(1, 60),
    keysOnly: random.integer(0, 1) === 1,
    ...(random.integer(0, 1) === 1 && { revision }),
  };
  expectSame(range(store, { start, ...(end !== null && { end }), ...options }), reference.range(start, end, options));
  const { versions, compactedRevision } = history(store, key);
  expectSame(versions, reference.history(key));
  expect(compactedRevision).toBe(reference.compactedRevision);
  const id = randomLeaseId(random, reference);
  expectSame(leaseOf(store, id), reference.lease(id));
  const [after, limit] = [random.integer(0, 1) * random.integer(0, 500), random.integer(1, 30)];
  expectSame(leasesOf(store, { after, limit }), reference.allLeases(after, limit));
  return 6;
}

/** Results for a comparison, without the bodies that are compared elsewhere. */
function shown(commands: readonly TestCommand[], results: readonly CommandResult[]): unknown {
  return results.map(({ body, ...result }, at) => {
    const kind = commands[at]?.kind;
    const isShown = kind !== "once" && kind !== "txn" && body !== undefined;
    return { ...result, body: isShown ? Buffer.from(body).toString("hex") : "" };
  });
}

/** A quick comparison; `expect` then says what differs. */
function expectSame(actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) expect(actual).toEqual(expected);
}

describe("the store and a list of all changes", () => {
  for (const seed of [1, 2, 3]) {
    test(`agree on ${operationsMin} operations of seed ${seed}`, () => {
      const random = seededRandom(seed);
      pastRequests.length = 0;
      const stores = { checked: new Store(), twin: new Store() };
      const reference = new Reference();
      let operations = 0;
      let sizeMax = 0;
      let leasesMax = 0;
      for (let turn = 0; operations < operationsMin; turn++) {
        operations += applyRandomEntry(random, stores, reference);
        operations += checkRandomQueries(random, stores.checked, reference);
        if (turn % 7 === 0)
          for (const store of [stores.checked, stores.twin])
            store.apply(nextEntry(store, new Uint8Array(), "noop"), null);
        if (turn % 50 === 0) expect(stores.checked.stateHash()).toBe(stores.checked.recomputeStateHash());
        if (turn % 100 === 99) stores.twin = reopened(stores.twin);
        expect(stores.checked.stateHash()).toBe(stores.twin.stateHash());
        expect(stores.checked.revision).toBe(reference.revision);
        expect(stores.checked.keyCount).toBe(reference.size);
        sizeMax = Math.max(sizeMax, reference.size);
        leasesMax = Math.max(leasesMax, reference.leases.list.length);
      }
      expect(sizeMax).toBeGreaterThan(30);
      expect(leasesMax).toBeGreaterThan(8);
      const all = range(stores.checked);
      expect(all).toEqual(reference.range(bytes(""), null, { limit: Infinity, keysOnly: false }));
    });
  }
});

/** The same store, from its image. */
function reopened(store: Store): Store {
  const image = store.image();
  const next = new Store();
  const sink = next.restore(store.appliedIndex);
  for (let slice = image.next(1000); slice !== null; slice = image.next(1000)) sink.push(slice);
  sink.finish();
  return next;
}
