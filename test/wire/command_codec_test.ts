/** Commands and results: their exact bytes, what is refused and with what words, and that no damage does more than be refused. */
import { describe, expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import {
  CommandCursor,
  type CommandResult,
  defaultCommandLimits,
  keyBytesMax,
  payloadCursor,
  payloadVersion,
  readResult,
  resultBytes,
  validateCommands,
  writePut,
  writeResult,
} from "../../src/wire/mod.ts";
import {
  type TestCommand,
  bytes,
  del,
  delRange,
  encodeCommands,
  nextEntry,
  payloadOf,
  put,
  thrown,
} from "../kv/driver.ts";
import { accepts, damaged, hexOf } from "./damage.ts";

const limits = defaultCommandLimits;

function check(commands: Uint8Array): string {
  const result = validateCommands(commands, limits);
  return result.ok ? `${result.count} ok` : `${result.code} ${result.message}`;
}

/** One command by hand. */
function raw(kind: number, flags: number, body: readonly number[], bodyLength = body.length): Uint8Array {
  return Uint8Array.of(kind, flags, 0, 0, bodyLength >> 8, bodyLength & 0xff, ...body);
}

/** What the cursor shows of every command, as the values that were written. */
function decode(commands: Uint8Array): TestCommand[] {
  const cursor = new CommandCursor(commands);
  const shown: TestCommand[] = [];
  while (cursor.next()) {
    const key = cursor.keyView();
    const condition = cursor.ifRevision === null ? {} : { ifRevision: cursor.ifRevision };
    const hanging = {
      ...(cursor.lease > 0 && { lease: cursor.lease }),
      ...(cursor.ttlMs > 0 && { ttlMs: cursor.ttlMs }),
    };
    if (cursor.kind === "put") shown.push({ kind: "put", key, value: cursor.valueView(), ...condition, ...hanging });
    else if (cursor.kind === "delete") shown.push({ kind: "delete", key, ...condition });
    else {
      const end = cursor.endText();
      shown.push({ kind: "deleteRange", start: key, end: end === null ? null : bytes(end) });
    }
  }
  return shown;
}

describe("the bytes of commands", () => {
  test("are these, on every version that shares a log", () => {
    expect(hexOf(encodeCommands([put("k", "vv")]))).toBe("01" + "00" + "00000005" + "0001" + "6b" + "7676");
    expect(hexOf(encodeCommands([put("k", "v", 0)]))).toBe("01" + "01" + "00000004" + "0001" + "6b" + "76");
    expect(hexOf(encodeCommands([put("k", "v", 2 ** 32 + 7)]))).toBe(
      "01" + "02" + "0000000c" + "0000000100000007" + "0001" + "6b" + "76",
    );
    expect(hexOf(encodeCommands([{ ...put("k", "v"), lease: 7 }]))).toBe(
      "01" + "08" + "0000000c" + "0000000000000007" + "0001" + "6b" + "76",
    );
    expect(hexOf(encodeCommands([{ ...put("k", "v", 5), ttlMs: 1000 }]))).toBe(
      "01" + "12" + "00000014" + "0000000000000005" + "00000000000003e8" + "0001" + "6b" + "76",
    );
    expect(hexOf(encodeCommands([del("k")]))).toBe("02" + "00" + "00000003" + "0001" + "6b");
    expect(hexOf(encodeCommands([del("k", 0)]))).toBe("02" + "02" + "0000000b" + "0000000000000000" + "0001" + "6b");
    expect(hexOf(encodeCommands([delRange("a", "b")]))).toBe("02" + "04" + "00000006" + "0001" + "61" + "0001" + "62");
    expect(hexOf(encodeCommands([delRange("", null)]))).toBe("02" + "04" + "00000004" + "0000" + "0000");
    expect(payloadVersion).toBe(1);
  });

  test("come back as what was written", () => {
    const commands: TestCommand[] = [
      put(bytes("key"), bytes("value")),
      put(bytes("key"), new Uint8Array()),
      put(Uint8Array.of(0, 0xff, 0x2f), Uint8Array.of(0, 0), 0),
      put(bytes("k"), bytes("v"), Number.MAX_SAFE_INTEGER),
      { ...put(bytes("k"), bytes("v")), lease: 7 },
      { ...put(bytes("k"), bytes(""), 0), lease: Number.MAX_SAFE_INTEGER },
      { ...put(bytes("k"), bytes("v"), 3), ttlMs: 1000 },
      del(bytes("k")),
      del(bytes("k"), 0),
      del(bytes("k"), 12),
      delRange(bytes("a"), bytes("b")),
      delRange(new Uint8Array(), null),
    ];
    expect(decode(encodeCommands(commands))).toEqual(commands);
    expect(check(encodeCommands(commands))).toBe(`${commands.length} ok`);
  });

  test("a key that no server takes is refused when it is written", () => {
    const long = new Uint8Array(keyBytesMax + 1);
    const tooLong = thrown(() => encodeCommands([put(long, "v")]));
    expect(tooLong instanceof ProaError && tooLong.code).toBe("TOO_LARGE");
    expect(String(tooLong)).toContain("Cannot put: the key has 8193 bytes, the limit is 8192");
    expect(String(thrown(() => encodeCommands([del(long)])))).toContain(
      "Cannot delete: the key has 8193 bytes, the limit is 8192",
    );
    expect(String(thrown(() => encodeCommands([del("")])))).toContain("Cannot delete: the key is empty");
    const bound = new Uint8Array(keyBytesMax + 2);
    expect(String(thrown(() => encodeCommands([delRange(bound, null)])))).toContain(
      "Cannot delete: the start of the range has 8194 bytes, the limit is 8193",
    );
    expect(String(thrown(() => encodeCommands([delRange("", bound)])))).toContain(
      "Cannot delete: the end of the range has 8194 bytes, the limit is 8193",
    );
    const writer = new ByteWriter();
    thrown(() => {
      writePut(writer, { key: long, value: long, ifRevision: null });
    });
    expect(writer.length).toBe(0);
  });
});

describe("validateCommands", () => {
  test("takes what is within the limits, to the byte", () => {
    expect(check(encodeCommands([put(new Uint8Array(keyBytesMax), new Uint8Array(limits.valueBytesMax))]))).toBe(
      "1 ok",
    );
    expect(check(encodeCommands([delRange(new Uint8Array(keyBytesMax + 1), new Uint8Array(keyBytesMax + 1))]))).toBe(
      "1 ok",
    );
  });

  test("names the limit that is exceeded", () => {
    expect(check(encodeCommands([put("a", ""), put("k", new Uint8Array(limits.valueBytesMax + 1))]))).toBe(
      "TOO_LARGE Cannot put: the value has 1048577 bytes, the limit is 1048576",
    );
    const longKey = [0x20, 0x01, ...new Uint8Array(8193)];
    expect(check(raw(1, 0, longKey))).toBe("TOO_LARGE Cannot put: the key has 8193 bytes, the limit is 8192");
    expect(check(raw(2, 0, longKey))).toBe("TOO_LARGE Cannot delete: the key has 8193 bytes, the limit is 8192");
    const longBound = [0x20, 0x02, ...new Uint8Array(8194)];
    expect(check(raw(2, 4, [...longBound, 0, 0]))).toBe(
      "TOO_LARGE Cannot delete: the start of the range has 8194 bytes, the limit is 8193",
    );
    expect(check(raw(2, 4, [0, 0, ...longBound]))).toBe(
      "TOO_LARGE Cannot delete: the end of the range has 8194 bytes, the limit is 8193",
    );
    expect(validateCommands(encodeCommands([put("k", "four")]), { valueBytesMax: 3 })).toEqual({
      ok: false,
      code: "TOO_LARGE",
      message: "Cannot put: the value has 4 bytes, the limit is 3",
    });
  });

  test("refuses what a log must never hold, and says which command", () => {
    const fine = encodeCommands([put("k", "v")]);
    const after = (command: Uint8Array): string => check(new Uint8Array([...fine, ...command]));
    expect(check(new Uint8Array())).toBe("INVALID_REQUEST Cannot write: the request holds no command");
    expect(after(raw(0, 0, [0, 1, 1]))).toBe(
      "INVALID_REQUEST Cannot read command 2 of the request: kind 0, which is not known",
    );
    expect(after(raw(99, 0, [0, 1, 1]))).toBe(
      "INVALID_REQUEST Cannot read command 2 of the request: kind 99, which is not known",
    );
    expect(after(raw(3, 0, [0, 0, 0, 0, 0, 0, 0, 1]))).toContain("the leader does it");
    expect(after(raw(4, 0, []))).toBe("INVALID_REQUEST Cannot change settings: none is given");
    expect(after(raw(4, 0, [1, 0, 0, 0, 0, 0, 0, 0, 0]))).toContain("history_revisions: 0 is not an integer from 1");
    expect(after(raw(4, 0, [9, 0, 0, 0, 0, 0, 0, 0, 0]))).toContain("setting 9, which is not known");
    expect(after(raw(4, 1, [1, 0, 0, 0, 0, 0, 0, 0, 9]))).toContain("flags 1");
    expect(after(raw(1, 0, [0, 0]))).toBe("INVALID_REQUEST Cannot put: the key is empty");
    expect(after(raw(2, 0, [0, 0]))).toBe("INVALID_REQUEST Cannot delete: the key is empty");
    const revision = [0, 0, 0, 0, 0, 0, 0, 1];
    for (const flags of [3, 4, 5, 6, 7, 0x0b, 0x18, 0x1a, 0x20, 0x80, 0xff]) {
      expect(after(raw(1, flags, [...revision, 0, 1, 1]))).toContain(
        `command 2 of the request: flags ${flags}, which a put does not know`,
      );
    }
    for (const flags of [1, 3, 5, 6, 7, 8, 0x10, 0x80, 0xff]) {
      expect(after(raw(2, flags, [...revision, 0, 1, 1]))).toContain(
        `command 2 of the request: flags ${flags}, which a delete does not know`,
      );
    }
  });

  test("refuses lengths that do not add up", () => {
    const cases = [
      raw(1, 0, [0, 2, 1]), // the key goes beyond the body
      raw(1, 0, [0]), // no room for the key's length
      raw(1, 0, [0, 1, 1], 4), // the body goes beyond the end
      raw(2, 0, [0, 1, 1, 1]), // a byte behind the key of a delete
      raw(2, 4, [0, 1, 1]), // a range without an end
      raw(2, 4, [0, 1, 1, 0, 1, 2, 3]), // a byte behind the end
      raw(2, 4, [0, 1, 1, 0, 2, 2]), // an end beyond the body
      raw(1, 2, [0, 0, 0, 1, 0, 1, 1]), // half a revision
      raw(1, 2, [0, 0x20, 0, 0, 0, 0, 0, 0, 0, 1, 1]), // a revision of 2^53
      Uint8Array.of(1, 0, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(1),
    ];
    for (const commands of cases)
      expect(check(commands)).toContain("INVALID_REQUEST Cannot read command 1 of the request: ");
    // The key of the first would reach into the second command: the lengths must add up in each, not in all together.
    const overlapping = new Uint8Array([...raw(1, 0, [0, 9, 1]), ...encodeCommands([put("key", "value")])]);
    expect(check(overlapping)).toContain("INVALID_REQUEST");
  });

  test("any damage is refused or valid, and what is valid applies", () => {
    const random = seededRandom(7);
    const whole = encodeCommands([
      put("key", "value"),
      put("k", "", 0),
      put("k2", "v", 77),
      del("key", 5),
      delRange("a", "b"),
      del("x"),
    ]);
    let valid = 0;
    for (const commands of damaged(whole, random, 6000)) {
      if (!validateCommands(commands, limits).ok) continue;
      valid++;
      const store = new Store();
      store.apply(nextEntry(store, Uint8Array.of(payloadVersion, ...commands)), new ByteWriter());
      expect(store.appliedIndex).toBe(1);
    }
    expect(valid).toBeGreaterThan(1000);
  });
});

describe("payloadCursor", () => {
  test("any damage is corrupt before the store changes", () => {
    const random = seededRandom(8);
    const whole = payloadOf([put("key", "value"), put("k", "", 0), del("key", 5), delRange("a", "b")]);
    const store = new Store();
    let refusals = 0;
    for (const payload of damaged(whole, random, 5000)) {
      const before = store.stateHash();
      const index = store.appliedIndex;
      if (
        accepts(() => {
          store.apply(nextEntry(store, payload), null);
        })
      ) {
        expect(store.appliedIndex).toBe(index + 1);
      } else {
        refusals++;
        expect(store.stateHash()).toBe(before);
        expect(store.appliedIndex).toBe(index);
      }
    }
    expect(refusals).toBeGreaterThan(1000);
    expect(store.stateHash()).toBe(store.recomputeStateHash());
  });

  test("starts at the first command", () => {
    const cursor = payloadCursor(payloadOf([put("first", "v"), put("second", "v")]));
    expect(cursor.next() && cursor.keyText()).toBe("first");
    expect(cursor.next() && cursor.keyText()).toBe("second");
    expect(cursor.next()).toBe(false);
  });
});

describe("results", () => {
  const results: CommandResult[] = [
    { status: "ok", revision: 2, modRevision: 2, changed: 1 },
    { status: "preconditionFailed", revision: Number.MAX_SAFE_INTEGER, modRevision: 2 ** 32, changed: 0 },
    { status: "ok", revision: 5, modRevision: 0, changed: 0xffff_ffff },
  ];

  test("have a fixed size and come back as what was written", () => {
    const writer = new ByteWriter();
    for (const result of results) writeResult(writer, result);
    expect(writer.length).toBe(results.length * resultBytes);
    const reader = new ByteReader(writer.peek());
    expect(results.map(() => readResult(reader))).toEqual(results);
    expect(hexOf(writer.peek().subarray(0, resultBytes))).toBe(
      "00" + "0000000000000002" + "0000000000000002" + "00000001",
    );
  });

  test("any damage is corrupt or a result", () => {
    const writer = new ByteWriter();
    for (const result of results) writeResult(writer, result);
    for (const bytes of damaged(writer.take(), seededRandom(9), 5000)) {
      accepts(() => {
        const reader = new ByteReader(bytes);
        while (reader.remaining > 0) readResult(reader);
      });
    }
    expect(accepts(() => readResult(new ByteReader(new Uint8Array(resultBytes).fill(99, 0, 1))))).toBe(false);
  });
});
