/** One message of every kind and shape, for tests of codecs and transports. */
import { entryChecksum } from "../../src/lib/checksum.ts";
import { type Entry, type EntryKind, type Membership, type Message, newMembership } from "../../src/raft/mod.ts";
import { encodeMembership } from "../../src/wire/mod.ts";

export const clusterId = "00112233445566778899aabbccddeeff";
export const otherClusterId = "ffeeddccbbaa99887766554433221100";

const largest = Number.MAX_SAFE_INTEGER;

/** In the middle of a change, with something in every list. */
export const sampleMembership: Membership = {
  voters: [1, 4, 70_000],
  outgoing: [1, 2, 3],
  learners: [9],
  learnersNext: [3],
  retired: [5, 6],
  servers: [
    { id: 1, replicate: "127.0.0.1:4001", service: "127.0.0.1:5001" },
    { id: 70_000, replicate: "[::1]:4001", service: "köln.example:5001" },
  ],
  directories: [
    { id: 3, directory: 1 },
    { id: 4, directory: largest },
  ],
};

/** An entry whose checksum is right. */
export function makeEntry(entry: { index: number; term: number; kind: EntryKind; payload: Uint8Array }): Entry {
  return { ...entry, checksum: entryChecksum(entry) };
}

/** A payload of `length` bytes that differ from their neighbours. */
export function makePayload(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, position) => (position * 31 + seed * 17) & 0xff);
}

/** An append of entries with payloads of the given lengths, after entry 9 of term 3. */
export function appendOf(route: Route, ...payloadLengths: readonly number[]): Message {
  return {
    kind: "AppendEntries",
    directory: 1,
    ...route,
    term: 5,
    previous: { index: 9, term: 3 },
    entries: payloadLengths.map((length, position) =>
      makeEntry({ index: 10 + position, term: 4, kind: "commands", payload: makePayload(length, position) }),
    ),
    commitIndex: 8,
    session: 2,
  };
}

export interface Route {
  readonly group: number;
  readonly from: number;
  readonly to: number;
}

/** Every kind, and every shape that a kind has. */
export function sampleMessages({ from, to }: { readonly from: number; readonly to: number }): readonly Message[] {
  const route = { group: 0, from, to, directory: 2 ** 48 };
  return [
    { kind: "RequestPreVote", ...route, term: 8, lastLog: { index: 0, term: 0 } },
    { kind: "RequestPreVoteResponse", ...route, term: 8, granted: true, campaignTerm: 8 },
    { kind: "RequestPreVoteResponse", ...route, term: largest, granted: false, campaignTerm: 1 },
    { kind: "RequestVote", ...route, term: largest, lastLog: { index: largest, term: largest - 1 }, transfer: false },
    { kind: "RequestVote", ...route, term: 2, lastLog: { index: 7, term: 1 }, transfer: true },
    { kind: "RequestVoteResponse", ...route, term: 8, granted: true },
    { kind: "RequestVoteResponse", ...route, term: 8, granted: false },
    appendOf(route),
    appendOf({ ...route, group: 0xffff_ffff }, 0),
    appendOf(route, 1, 300, 0, 70),
    {
      kind: "AppendEntries",
      ...route,
      term: largest,
      previous: { index: largest - 3, term: 0x1_0000_0001 },
      entries: [
        makeEntry({ index: largest - 2, term: 0x1_0000_0001, kind: "noop", payload: makePayload(0) }),
        makeEntry({
          index: largest - 1,
          term: largest,
          kind: "membership",
          payload: encodeMembership(sampleMembership),
        }),
        makeEntry({ index: largest, term: largest, kind: "commands", payload: makePayload(3) }),
      ],
      commitIndex: largest,
      session: largest,
    },
    {
      kind: "AppendEntriesResponse",
      ...route,
      term: 8,
      session: 1,
      boot: 3,
      outcome: { kind: "accepted", matchIndex: 12 },
    },
    {
      kind: "AppendEntriesResponse",
      ...route,
      term: 8,
      session: 1,
      boot: 3,
      outcome: { kind: "rejected", previousIndex: 12, hint: { index: 4, term: 2 } },
    },
    {
      kind: "AppendEntriesResponse",
      ...route,
      term: 8,
      session: 1,
      boot: 3,
      outcome: { kind: "unreadable", matchIndex: 12 },
    },
    {
      kind: "InstallSnapshot",
      ...route,
      term: largest,
      session: largest,
      snapshot: { index: largest, term: largest },
      membership: sampleMembership,
      bytes: largest,
      offset: largest - 300,
      chunk: makePayload(300),
    },
    {
      kind: "InstallSnapshot",
      ...route,
      term: 3,
      session: 1,
      snapshot: { index: 9, term: 2 },
      membership: newMembership({ voters: [1] }),
      bytes: 1,
      offset: 0,
      chunk: makePayload(1),
    },
    { kind: "InstallSnapshotResponse", ...route, term: 8, session: 4, boot: 3, index: largest, received: largest },
    { kind: "InstallSnapshotResponse", ...route, term: 8, session: 4, boot: 3, index: 9, received: null },
    { kind: "Heartbeat", ...route, term: 8, commitIndex: 0, round: 1, session: 2 },
    { kind: "HeartbeatResponse", ...route, term: 8, round: 1, session: 2, boot: 1 },
    { kind: "ReadIndex", ...route, term: 8, request: 9, boot: 1, lease: true },
    { kind: "ReadIndexResponse", ...route, term: 8, request: 9, boot: 1, index: 77, lease: true },
    { kind: "ReadIndexResponse", ...route, term: 8, request: 9, boot: 1, index: 77, lease: false },
    { kind: "TimeoutNow", ...route, term: 8 },
    { kind: "Removed", ...route, term: 8 },
    { kind: "DirectoryRefused", ...route, term: 8, refused: largest },
  ];
}
