/**
 * A datagram as bytes: who it is from and for, in which of their lives, its number, and a body that a seal protects.
 * It trusts nothing: what is not for us is foreign, what is damaged is corrupt, and both are dropped by the caller.
 *
 *     u16 magic   u8 version   u8 seal   16 bytes cluster id   u32 from   u32 to
 *     u64 boot     a random number of this life of the sender
 *     u64 token    what the receiver gave this life of the sender to know it by; 0 as long as it has none
 *     u64 number   counts the datagrams of this life of the sender to this receiver; never repeated
 *     body         sections, see datagram_sections.ts
 *     tag          the seal's: a checksum, or the proof of a key
 */
import { assert } from "../lib/assert.ts";
import { type ByteReader, u32At } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { crc32 } from "../lib/checksum.ts";
import { CorruptError } from "../lib/errors.ts";
import type { NodeId } from "../raft/mod.ts";
import type { ForeignReason, FrameReceiver } from "../wire/mod.ts";

export interface DatagramHead {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly boot: number;
  readonly token: number;
  readonly number: number;
}

/** What protects a datagram. Sender and receiver must use the same kind. */
export interface Seal {
  /** What the head says about it. */
  readonly kind: number;
  readonly tagBytes: number;
  /** The datagram whose head and body are in `writer`, protected and with its tag. Writes behind them, and may change what it likes. */
  close(writer: ByteWriter, head: DatagramHead): Uint8Array<ArrayBuffer>;
  /** The body, without head and tag; null when the datagram was changed, or made without the key. */
  open(datagram: Uint8Array, head: DatagramHead): Uint8Array | null;
}

export const datagramHeadBytes = 52;
const numberBytes = 8;
const prefixBytes = datagramHeadBytes - numberBytes;
const fromOffset = 20;

const magic = 0x7064;
const version = 2;

/** All of the head but the number: what datagrams of one life to one receiver begin with, as long as the token stays. */
export function datagramPrefix(
  head: Omit<DatagramHead, "number">,
  { clusterId, seal }: { readonly clusterId: Uint8Array; readonly seal: Seal },
): Uint8Array {
  const writer = new ByteWriter(prefixBytes);
  writer.u16(magic);
  writer.u8(version);
  writer.u8(seal.kind);
  writer.bytes(clusterId);
  writer.u32(head.from);
  writer.u32(head.to);
  writer.u53(head.boot);
  writer.u53(head.token);
  assert(writer.length === prefixBytes, "a datagram begins with its head, which has one size");
  return writer.take();
}

export function writeDatagramHead(writer: ByteWriter, prefix: Uint8Array, number: number): void {
  writer.bytes(prefix);
  writer.u53(number);
}

/** Who sent `datagram`, as it says; 0 if it is too short to say so. Nothing else of it is looked at. */
export function senderOf(datagram: Uint8Array): NodeId {
  return datagram.length < datagramHeadBytes ? 0 : u32At(datagram, fromOffset);
}

/** The number of `datagram`, which is not too short, if it begins with `prefix`; 0 if it does not, or has none. */
export function numberBehind(prefix: Uint8Array, datagram: Uint8Array): number {
  for (let i = 0; i < prefixBytes; i++) if (datagram[i] !== prefix[i]) return 0;
  const number = u32At(datagram, prefixBytes) * 0x1_0000_0000 + u32At(datagram, prefixBytes + 4);
  return Number.isSafeInteger(number) ? number : 0;
}

/** Judges the head of a datagram; the rest is not looked at. Throws {@link CorruptError} on one that is too short or has no number. */
export function readDatagramHead(
  reader: ByteReader,
  receiver: FrameReceiver & { readonly seal: Seal },
): DatagramHead | ForeignReason | "seal" {
  if (reader.u16() !== magic) return "magic";
  if (reader.u8() !== version) return "version";
  const seal = reader.u8();
  if (!reader.skipIf(receiver.clusterId)) return "cluster";
  const from = reader.u32();
  const to = reader.u32();
  if (to !== receiver.self) return "receiver";
  if (from === receiver.self || receiver.peers?.has(from) === false) return "sender";
  if (seal !== receiver.seal.kind) return "seal";
  const head = { from, to, boot: reader.u53(), token: reader.u53(), number: reader.u53() };
  if (head.number === 0) throw new CorruptError("a datagram without a number");
  return head;
}

const checksumBytes = 4;

/** Finds damage and nothing else: whoever can send to a port can make it. */
export const checksumSeal: Seal = {
  kind: 0,
  tagBytes: checksumBytes,
  close(writer) {
    writer.u32(crc32(writer.peek()));
    return writer.copied();
  },
  open(datagram) {
    const end = datagram.length - checksumBytes;
    if (end < datagramHeadBytes) throw new CorruptError("a datagram without a checksum");
    const checksum = crc32(datagram.subarray(0, end));
    for (let i = 0; i < checksumBytes; i++) if (datagram[end + i] !== ((checksum >>> (24 - 8 * i)) & 0xff)) return null;
    return datagram.subarray(datagramHeadBytes, end);
  },
};
