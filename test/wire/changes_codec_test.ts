/** The codec of changes: round trips, and bytes that are not what they claim. */
import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { decodeQuery, readChangesAnswer, readChangesSummary, validateQueries } from "../../src/wire/mod.ts";
import { writeChanges, writeChangesAnswer } from "../../src/wire/mod.ts";
import type { ChangesAnswer, ChangesQuery } from "../../src/wire/mod.ts";
import { accepts, damaged } from "./damage.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const version = (value: string) => ({
  createRevision: 2,
  modRevision: 3,
  version: 4,
  lease: 5,
  value: bytes(value),
});

const queries: readonly ChangesQuery[] = [
  { kind: "changes", from: { revision: 2, skip: 0 }, only: null, previous: false, start: bytes(""), end: null },
  { kind: "changes", from: { revision: 9, skip: 7 }, only: "put", previous: true, start: bytes("a"), end: bytes("b") },
  { kind: "changes", from: { revision: 1, skip: 0 }, only: "delete", previous: true, start: bytes("a"), end: null },
];

const answers: readonly ChangesAnswer[] = [
  { revision: 7, next: { revision: 8, skip: 0 }, changes: [] },
  {
    revision: 7,
    next: { revision: 3, skip: 2 },
    changes: [
      { key: bytes("a"), state: version("x"), previous: null },
      { key: bytes("b"), state: { ...version(""), version: 0 }, previous: version("y") },
    ],
  },
];

function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  write(writer);
  return writer.take();
}

test("queries and answers come back as they were", () => {
  for (const query of queries) {
    const encoded = written((writer) => {
      writeChanges(writer, query);
    });
    expect(decodeQuery(encoded)).toEqual(query);
    expect(validateQueries(encoded)).toEqual({ ok: true, count: 1 });
  }
  for (const answer of answers) {
    const encoded = written((writer) => {
      writeChangesAnswer(writer, answer);
    });
    expect(readChangesAnswer(encoded)).toEqual(answer);
    const { revision, next, changes } = answer;
    expect(readChangesSummary(encoded)).toEqual({ revision, next, count: changes.length });
  }
});

test("bounds that no key can have are refused", () => {
  const long = { ...(queries[0] as ChangesQuery), start: new Uint8Array(8194) };
  expect(() => written((writer) => writeChanges(writer, long))).toThrow("the start of the range has 8194 bytes");
});

test("damage is refused, or is another query", () => {
  const random = seededRandom(1);
  for (const query of queries) {
    const encoded = written((writer) => {
      writeChanges(writer, query);
    });
    for (const broken of damaged(encoded, random, 200)) accepts(() => decodeQuery(broken));
    for (let length = 0; length < encoded.length; length++)
      expect(accepts(() => decodeQuery(encoded.slice(0, length)))).toBe(false);
  }
  for (const answer of answers) {
    const encoded = written((writer) => {
      writeChangesAnswer(writer, answer);
    });
    for (const broken of damaged(encoded, random, 200)) accepts(() => readChangesAnswer(broken));
    for (let length = 0; length < encoded.length; length++)
      expect(accepts(() => readChangesAnswer(encoded.slice(0, length)))).toBe(false);
  }
});
