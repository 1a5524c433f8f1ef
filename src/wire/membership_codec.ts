/**
 * Configurations as the payload of a `membership` entry, one byte string for each: equal configurations have equal bytes.
 * Refuses every configuration that no correct leader proposes, since it would act as soon as it is appended.
 *
 *     u8 version, five lists of ids (u16 count, u32 ids): voters, outgoing, learners, learnersNext, retired;
 *     u16 count of servers, each u32 id and two texts (u16 length, UTF-8);
 *     u16 count of bindings, each u32 id and u53 number of a directory: not before version 2
 */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError, UnknownVersionError } from "../lib/errors.ts";
import type { Binding, Membership, MembershipCodec, NodeId, Server } from "../raft/mod.ts";

/** A greater number was written by a newer program, whose configurations may mean more than we understand (rule X4). */
const version = 2;

/** The most members that a cluster can have: each costs the leader a stream, and majorities grow slow. */
export const membersMax = 64;
/** The most ids that can have left: as many as the count on the wire can say. */
export const retiredMax = 0xffff;
/** The longest `host:port`, in bytes: a DNS name of 253, brackets, and the port. */
const addressBytesMax = 300;

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** What the core is given. */
export const membershipCodec: MembershipCodec = { encode: encodeMembership, decode: decodeMembership };

/** The bytes of a legal configuration, in a buffer of their own. */
export function encodeMembership(membership: Membership): Uint8Array {
  const problem = membershipProblem(membership);
  assert(problem === null, `cannot encode a configuration: ${problem ?? ""}`);
  const writer = new ByteWriter();
  writer.u8(version);
  for (const ids of listsOf(membership)) {
    writer.u16(ids.length);
    for (const id of ids) writer.u32(id);
  }
  writer.u16(membership.servers.length);
  for (const { id, replicate, service } of membership.servers) {
    writer.u32(id);
    writeText(writer, replicate);
    writeText(writer, service);
  }
  writer.u16(membership.directories.length);
  for (const { id, directory } of membership.directories) {
    writer.u32(id);
    writer.u53(directory);
  }
  return writer.take();
}

/** Reads what {@link encodeMembership} wrote, now or in an earlier version, all of it. Throws {@link CorruptError} for anything else. */
export function decodeMembership(payload: Uint8Array): Membership {
  const reader = new ByteReader(payload);
  const found = reader.u8();
  if (found < 1 || found > version)
    throw new UnknownVersionError(
      `a configuration of version ${found}, and this proa knows only those up to ${version}`,
    );
  // Evaluated from top to bottom, so the lists stand in the order of `listsOf`.
  const membership = {
    voters: readIds(reader),
    outgoing: readIds(reader),
    learners: readIds(reader),
    learnersNext: readIds(reader),
    retired: readIds(reader),
    servers: readServers(reader),
    directories: found === 1 ? [] : readBindings(reader),
  };
  if (reader.remaining > 0) throw new CorruptError("more bytes than a configuration has");
  const problem = membershipProblem(membership);
  if (problem !== null) throw new CorruptError(`not a configuration: ${problem}`);
  return membership;
}

function listsOf({ voters, outgoing, learners, learnersNext, retired }: Membership): readonly (readonly NodeId[])[] {
  return [voters, outgoing, learners, learnersNext, retired];
}

/** What makes a configuration illegal; null if nothing does. */
function membershipProblem(membership: Membership): string | null {
  const { voters, outgoing, learners, learnersNext, retired, servers, directories } = membership;
  const serverIds = servers.map((server) => server.id);
  const boundIds = directories.map((binding) => binding.id);
  if (![...listsOf(membership), serverIds, boundIds].every(isAscending)) return "its ids do not ascend from 1";
  if (voters.length === 0) return "nobody votes";
  const deciding = new Set([...voters, ...outgoing]);
  const members = new Set([...deciding, ...learners]);
  if (members.size > membersMax) return `more than ${membersMax} members`;
  if (retired.length > retiredMax) return `more than ${retiredMax} retired ids`;
  if (learners.some((id) => deciding.has(id))) return "a learner votes";
  const incoming = new Set(voters);
  const leaving = new Set(outgoing);
  if (learnersNext.some((id) => incoming.has(id) || !leaving.has(id)))
    return "who is to learn next is not among those who leave";
  if (retired.some((id) => members.has(id))) return "a retired id is a member";
  if (serverIds.some((id) => !members.has(id))) return "an address of a stranger";
  if (boundIds.some((id) => !members.has(id))) return "a directory of a stranger";
  if (!directories.every(({ directory }) => Number.isSafeInteger(directory) && directory > 0))
    return "a directory without a number";
  if (servers.some(({ replicate, service }) => isTooLong(replicate) || isTooLong(service)))
    return "an address too long";
  return null;
}

function isAscending(ids: readonly NodeId[]): boolean {
  return ids.every((id, position) => Number.isInteger(id) && id > (ids[position - 1] ?? 0) && id <= 0xffff_ffff);
}

function isTooLong(address: string): boolean {
  return utf8.encode(address).length > addressBytesMax;
}

function writeText(writer: ByteWriter, text: string): void {
  const bytes = utf8.encode(text);
  writer.u16(bytes.length);
  writer.bytes(bytes);
}

function readIds(reader: ByteReader): readonly NodeId[] {
  return Array.from({ length: countOf(reader, 4) }, () => reader.u32());
}

function readServers(reader: ByteReader): readonly Server[] {
  return Array.from({ length: countOf(reader, 8) }, () => ({
    id: reader.u32(),
    replicate: readText(reader),
    service: readText(reader),
  }));
}

function readBindings(reader: ByteReader): readonly Binding[] {
  return Array.from({ length: countOf(reader, 12) }, () => ({ id: reader.u32(), directory: reader.u53() }));
}

/** How many elements of at least `bytesMin` follow: never more than there are bytes for, whatever the count says. */
function countOf(reader: ByteReader, bytesMin: number): number {
  const count = reader.u16();
  if (count * bytesMin > reader.remaining) throw new CorruptError("truncated");
  return count;
}

function readText(reader: ByteReader): string {
  const bytes = reader.bytes(reader.u16());
  try {
    return strictUtf8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new CorruptError("an address is not UTF-8", { cause: error });
    throw error;
  }
}
