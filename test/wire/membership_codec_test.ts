/** Configurations as bytes: what was written comes back, and nothing else is ever taken for one. */
import { describe, expect, test } from "bun:test";
import { CorruptError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { newMembership, type Membership } from "../../src/raft/mod.ts";
import { decodeMembership, encodeMembership } from "../../src/wire/mod.ts";
import { accepts, damaged, hexOf } from "./damage.ts";
import { sampleMembership } from "./sample_messages.ts";

const simple = newMembership({ voters: [1, 2, 3], learners: [9] });

/** The bytes that a proa without checks would write. */
function unchecked(
  { voters, outgoing, learners, learnersNext, retired, servers, directories }: Membership,
  version: 1 | 2 = 2,
): Uint8Array {
  const u16 = (value: number): number[] => [value >>> 8, value & 0xff];
  const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)];
  const text = (value: string): number[] => {
    const bytes = new TextEncoder().encode(value);
    return [...u16(bytes.length), ...bytes];
  };
  return Uint8Array.from([
    version,
    ...[voters, outgoing, learners, learnersNext, retired].flatMap((ids) => [...u16(ids.length), ...ids.flatMap(u32)]),
    ...u16(servers.length),
    ...servers.flatMap(({ id, replicate, service }) => [...u32(id), ...text(replicate), ...text(service)]),
    ...(version === 1 ? [] : u16(directories.length)),
    ...directories.flatMap(({ id, directory }) => [
      ...u32(id),
      ...u32(Math.floor(directory / 0x1_0000_0000)),
      ...u32(directory % 0x1_0000_0000),
    ]),
  ]);
}

describe("the codec of configurations", () => {
  for (const [what, membership] of [
    ["simple", simple],
    ["joint", sampleMembership],
    ["the greatest id", newMembership({ voters: [0xffff_ffff] })],
  ] as const) {
    test(`keeps a configuration: ${what}`, () => {
      const bytes = encodeMembership(membership);
      expect(decodeMembership(bytes)).toEqual(membership);
      expect(hexOf(bytes)).toBe(hexOf(unchecked(membership)));
    });
  }

  const members = (count: number): number[] => Array.from({ length: count }, (_, position) => position + 1);
  const server = { id: 1, replicate: "a:1", service: "a:2" };
  const illegal: readonly (readonly [string, Partial<Membership>])[] = [
    ["no voter", { voters: [], learners: [] }],
    ["no voter but an outgoing one", { voters: [], outgoing: [1], learners: [] }],
    ["a voter twice", { voters: [1, 1, 2] }],
    ["voters out of order", { voters: [2, 1] }],
    ["voter 0", { voters: [0, 1] }],
    ["a voter that learns", { learners: [3] }],
    ["an outgoing voter that learns already", { outgoing: [9] }],
    ["somebody to learn next who does not leave", { outgoing: [4], learnersNext: [5] }],
    ["somebody to learn next who stays a voter", { outgoing: [1], learnersNext: [1] }],
    ["somebody to learn next without a change", { learnersNext: [4] }],
    ["a retired voter", { retired: [2] }],
    ["a retired learner", { retired: [9] }],
    ["a retired outgoing voter", { outgoing: [5], retired: [5] }],
    ["the address of a stranger", { servers: [{ ...server, id: 8 }] }],
    ["two addresses of one node", { servers: [server, server] }],
    ["an endless address", { servers: [{ ...server, replicate: "x".repeat(301) }] }],
    ["a directory of a stranger", { directories: [{ id: 8, directory: 1 }] }],
    ["two directories of one node", { directories: [1, 2].map((directory) => ({ id: 1, directory })) }],
    ["a directory without a number", { directories: [{ id: 1, directory: 0 }] }],
    ["65 members", { voters: members(60), learners: [61, 62, 63, 64, 65] }],
  ];
  for (const [what, change] of illegal) {
    test(`M6: refuses ${what}, read or written`, () => {
      const membership = { ...simple, ...change };
      expect(() => decodeMembership(unchecked(membership))).toThrow(CorruptError);
      expect(() => encodeMembership(membership)).toThrow("cannot encode a configuration");
    });
  }

  test("refuses an address that is not UTF-8", () => {
    const bytes = unchecked({ ...simple, servers: [server] });
    bytes[bytes.length - 3] = 0xff;
    expect(() => decodeMembership(bytes)).toThrow("not UTF-8");
  });

  test("X4: refuses a version that it does not know, and names it", () => {
    const bytes = encodeMembership(simple);
    for (const version of [0, 3]) {
      bytes[0] = version;
      expect(() => decodeMembership(bytes)).toThrow(`a configuration of version ${version}`);
    }
  });

  test("reads what was written before directories had numbers", () => {
    const older = { ...sampleMembership, directories: [] };
    expect(decodeMembership(unchecked(older, 1))).toEqual(older);
  });

  test("only ever refuses damaged bytes, or takes them for the one configuration that they are", () => {
    const random = seededRandom(7);
    for (const bytes of damaged(encodeMembership(sampleMembership), random, 2000)) {
      const taken = accepts(() => decodeMembership(bytes));
      if (taken) expect(hexOf(encodeMembership(decodeMembership(bytes)))).toBe(hexOf(bytes));
    }
  });
});
