/** Commands and questions about leases: their exact bytes, what is refused and with what words. */
import { expect, test } from "bun:test";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import {
  type CommandResult,
  type LeaseCommand,
  CommandCursor,
  decodeLease,
  decodeQuery,
  defaultCommandLimits,
  grantedBody,
  leaseError,
  leaseTtlMsMax,
  leaseTtlMsMin,
  leasesMax,
  leasesPageMax,
  missingBody,
  readGranted,
  readLeaseAnswer,
  readLeasesAnswer,
  validateCommands,
  writeBodyCommand,
  writeLeaseAnswer,
  writeLeaseQuery,
  writeLeasesAnswer,
  writeLeasesQuery,
} from "../../src/wire/mod.ts";
import { type TestCommand, encodeCommands, lease, put, thrown } from "../kv/driver.ts";
import { accepts, damaged, hexOf } from "./damage.ts";

const random = seededRandom(1);
const u53 = (value: number): string => value.toString(16).padStart(16, "0");
const commands: readonly LeaseCommand[] = [
  { kind: "grant", id: 0, ttlMs: leaseTtlMsMin },
  { kind: "grant", id: Number.MAX_SAFE_INTEGER, ttlMs: leaseTtlMsMax },
  { kind: "renew", id: 7 },
  { kind: "revoke", id: 7 },
  { kind: "expire", id: 7, renewal: 9 },
  { kind: "checkpoint", leases: [{ id: 7, renewal: 9, remainingMs: 500 }] },
  {
    kind: "checkpoint",
    leases: [
      { id: 7, renewal: 9, remainingMs: 0 },
      { id: 8, renewal: 10, remainingMs: 1 },
    ],
  },
];

function bodyOf(command: LeaseCommand): Uint8Array {
  const cursor = new CommandCursor(encodeCommands([lease(command)]));
  cursor.next();
  return cursor.body();
}

function check(...sent: readonly TestCommand[]): string {
  const result = validateCommands(encodeCommands(sent), defaultCommandLimits);
  return result.ok ? "ok" : `${result.code} ${result.message}`;
}

test("commands have these bytes, and come back as what was written", () => {
  expect(hexOf(encodeCommands([lease({ kind: "grant", id: 7, ttlMs: 30_000 })]))).toBe(
    "08" + "00" + "00000011" + "01" + u53(7) + u53(30_000),
  );
  expect(hexOf(bodyOf({ kind: "renew", id: 7 }))).toBe("02" + u53(7));
  expect(hexOf(bodyOf({ kind: "revoke", id: 7 }))).toBe("03" + u53(7));
  expect(hexOf(bodyOf({ kind: "expire", id: 7, renewal: 9 }))).toBe("04" + u53(7) + u53(9));
  const checkpoint = { id: 7, renewal: 9, remainingMs: 500 };
  expect(hexOf(bodyOf({ kind: "checkpoint", leases: [checkpoint] }))).toBe("05" + u53(7) + u53(9) + u53(500));
  for (const command of commands) expect(decodeLease(bodyOf(command))).toEqual(command);
});

test("any damage of a command is refused, or is another command", () => {
  for (const command of commands) {
    for (const body of damaged(bodyOf(command), random, 200)) accepts(() => decodeLease(body));
  }
});

test("what a client may not say is refused before it is written", () => {
  expect(check(...commands.slice(0, 4).map(lease))).toBe("ok");
  expect(check(lease({ kind: "expire", id: 1, renewal: 1 }))).toContain("the leader does it, by its clock");
  expect(check(lease({ kind: "checkpoint", leases: [] }))).toContain("the leader does it, by its clock");
  const once = (command: LeaseCommand): TestCommand => {
    return { kind: "once", id: { born: 0, session: "s", seq: 1 }, commands: [lease(command)] };
  };
  expect(check(once({ kind: "renew", id: 1 }))).toBe("ok");
  expect(check(once({ kind: "expire", id: 1, renewal: 1 }))).toContain("the leader does it");
  for (const ttlMs of [0, 1, leaseTtlMsMin - 1, leaseTtlMsMax + 1, 1500.5]) {
    const error = thrown(() => encodeCommands([lease({ kind: "grant", id: 0, ttlMs })]));
    expect(error instanceof ProaError && error.code).toBe("INVALID_REQUEST");
    expect(String(error)).toContain("not a whole number from 1 second to 10 years");
  }
  expect(check({ ...put("k", "v"), ttlMs: 999 })).toContain("Cannot put: the time to live is 999 ms");
  expect(check({ ...put("k", "v"), ttlMs: 1000 })).toBe("ok");
  const txn = { kind: "txn", compare: [], else: [] } as const;
  expect(check({ ...txn, then: [{ ...put("k", "v"), lease: 3 }] })).toBe("ok");
  expect(check({ ...txn, then: [{ ...put("k", "v"), ttlMs: 1000 }] })).toContain("granted inside a transaction");
  const raw = new ByteWriter();
  writeBodyCommand(raw, "lease", new Uint8Array([9]));
  const result = validateCommands(raw.take(), defaultCommandLimits);
  expect(result.ok ? "ok" : result.message).toContain("operation 9 on a lease");
});

test("results say which lease it is, or which is missing", () => {
  const result = { status: "ok", revision: 1, modRevision: 0, changed: 0 } as const;
  const granted = { id: 7, ttlMs: 1000 };
  expect(readGranted({ ...result, body: grantedBody(granted) })).toEqual(granted);
  const missing: CommandResult = { ...result, status: "leaseNotFound", body: missingBody(7) };
  expect(leaseError("put", missing)?.message).toBe("Cannot put: there is no lease 7");
  expect(leaseError("put", { ...result, status: "leaseExists" })?.code).toBe("LEASE_EXISTS");
  expect(leaseError("put", { ...result, status: "tooManyLeases" })?.message).toContain(String(leasesMax));
  expect(leaseError("put", result)).toBe(null);
});

test("questions come back as what was asked, and ask for no more than a page", () => {
  const writer = new ByteWriter();
  const query = { id: 7, limit: 5, start: new Uint8Array([1, 2]) };
  writeLeaseQuery(writer, query);
  expect(decodeQuery(writer.take())).toEqual({ kind: "lease", ...query });
  writeLeasesQuery(writer, { after: 3, limit: leasesPageMax + 1 });
  expect(decodeQuery(writer.take())).toEqual({ kind: "leases", after: 3, limit: leasesPageMax });
});

test("answers come back as what was written, and damage is found or is another answer", () => {
  const view = { id: 7, ttlMs: 1000, remainingMs: 400, granted: 3, bound: true, keyCount: 2 };
  const found = { revision: 9, lease: view, keys: [new Uint8Array([1]), new Uint8Array([2, 3])], more: true };
  const gone = { revision: 9, lease: null, keys: [], more: false };
  const writer = new ByteWriter();
  for (const answer of [found, gone]) {
    writeLeaseAnswer(writer, answer);
    const bytes = writer.take();
    expect(readLeaseAnswer(new ByteReader(bytes))).toEqual(answer);
    for (const body of damaged(bytes, random, 200)) accepts(() => readLeaseAnswer(new ByteReader(body)));
  }
  const listed = { revision: 9, count: 5, leases: [view, { ...view, id: 8, bound: false }], more: true };
  writeLeasesAnswer(writer, listed);
  const bytes = writer.take();
  expect(readLeasesAnswer(new ByteReader(bytes))).toEqual(listed);
  for (const body of damaged(bytes, random, 200)) accepts(() => readLeasesAnswer(new ByteReader(body)));
});
