/**
 * A message as bytes between nodes. The frame says for whom it is and proves that it arrived whole; it never trusts a
 * length before it is checked, and never authenticates: its checksums find faults, not forgery.
 *
 *     u32 length of all that follows
 *     u16 magic   u8 version   u8 kind   u32 group   u32 from   u32 to   16 bytes cluster id
 *     u32 head length   u32 entry count
 *     head             MessagePack array of the message's own fields
 *     entry table      one row an entry: term, kind, payload length, checksum
 *     u32 crc32        over everything from the magic up to here
 *     payloads         back to back, each covered by the checksum of its entry; the parts of a snapshot by one in the head
 *
 * Payloads come last and are never re-encoded, so that one `Uint8Array` serves the log, the disk and every peer.
 */
import { assert } from "../lib/assert.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { crc32 } from "../lib/checksum.ts";
import { CorruptError, UnknownVersionError } from "../lib/errors.ts";
import type { Entry, Message, NodeId } from "../raft/mod.ts";
import { chunkPayloads } from "./chunk_codec.ts";
import { entryRowBytes, writeEntryTable } from "./entry_codec.ts";
import { fieldsOf, kindNumber, messageOf } from "./message_codec.ts";
import { packFields, unpackFields } from "./msgpack.ts";

/** Who reads frames: what is for another is foreign. */
export interface FrameReceiver {
  readonly self: NodeId;
  /** 16 bytes, see {@link clusterIdBytes}. */
  readonly clusterId: Uint8Array;
  /** The other servers: frames of anybody else are foreign. Null for any server of the cluster, known here or not yet (rule M10). */
  readonly peers: ReadonlySet<NodeId> | null;
}

/** What makes a frame foreign: the first thing in it that is not ours. `newer`: the frame is, but what it says only a newer program knows. */
export type ForeignReason = "magic" | "version" | "cluster" | "receiver" | "sender" | "newer";

/** A foreign frame is an expected outcome; a damaged one is a {@link CorruptError}. */
export type DecodedFrame =
  | { readonly kind: "message"; readonly message: Message }
  | { readonly kind: "foreign"; readonly reason: ForeignReason };

/** What the beginning of a frame tells before the rest of it has arrived. */
export type FrameStart =
  { readonly kind: "ours"; readonly frameBytes: number } | { readonly kind: "foreign"; readonly reason: ForeignReason };

/** Everything up to the head. */
export const frameHeaderBytes = 44;
const lengthBytes = 4;
const checksumBytes = 4;
/** More than the longest array of fields packs to, and so small that nothing in it can make a decoder allocate much. */
const headBytesMax = 256;

const magic = 0x7072;
const version = 2;

const offsets = {
  length: 0,
  magic: 4,
  version: 6,
  kind: 7,
  group: 8,
  from: 12,
  to: 16,
  clusterId: 20,
  headLength: 36,
  entryCount: 40,
} as const;
const clusterIdLength = 16;

/** The bytes of a cluster id of 32 hexadecimal digits. */
export function clusterIdBytes(clusterId: string): Uint8Array {
  assert(/^[0-9a-f]{32}$/i.test(clusterId), "a cluster id has 32 hexadecimal digits");
  return Uint8Array.from({ length: clusterIdLength }, (_, position) =>
    parseInt(clusterId.slice(2 * position, 2 * position + 2), 16),
  );
}

/** No frame of `message` has more bytes than this; cheap, so that limits are checked before anything is encoded. */
export function frameBytesBound(message: Message): number {
  return payloadsOf(message).reduce((bytes, payload) => bytes + payload.length, frameStartBytesBound(message));
}

/** No start of the frame of `message`, its payloads left out, has more bytes than this. */
export function frameStartBytesBound(message: Message): number {
  return frameHeaderBytes + headBytesMax + entriesOf(message).length * entryRowBytes + checksumBytes;
}

/** What completes, in this order, the frame that {@link writeFrameStart} began. */
export function payloadsOf(message: Message): readonly Uint8Array[] {
  if (message.kind === "InstallSnapshot") return chunkPayloads(message);
  return entriesOf(message).map((entry) => entry.payload);
}

function entriesOf(message: Message): readonly Entry[] {
  return message.kind === "AppendEntries" ? message.entries : [];
}

/** Appends the frame of `message` up to its payloads, which the caller must write next: see {@link payloadsOf}. */
export function writeFrameStart(writer: ByteWriter, message: Message, clusterId: Uint8Array): void {
  assert(clusterId.length === clusterIdLength, "a cluster id has 16 bytes");
  const start = writer.length;
  const entries = entriesOf(message);
  const head = packFields(fieldsOf(message));
  assert(head.length <= headBytesMax, "the head of a message is longer than its bound");
  writer.u32(0);
  writer.u16(magic);
  writer.u8(version);
  writer.u8(kindNumber(message.kind));
  writer.u32(asU32(message.group));
  writer.u32(asU32(message.from));
  writer.u32(asU32(message.to));
  writer.bytes(clusterId);
  writer.u32(head.length);
  writer.u32(entries.length);
  writer.bytes(head);
  if (message.kind === "AppendEntries") {
    writeEntryTable(writer, entries, { previous: message.previous, termMax: message.term });
  }
  const payloadBytes = payloadsOf(message).reduce((bytes, payload) => bytes + payload.length, 0);
  const length = writer.length - start - lengthBytes + checksumBytes + payloadBytes;
  writer.patchU32(start, asU32(length));
  writer.u32(crc32(writer.peek().subarray(start + offsets.magic)));
}

/** Appends the whole frame of `message`, its payloads copied. */
export function writeFrame(writer: ByteWriter, message: Message, clusterId: Uint8Array): void {
  writeFrameStart(writer, message, clusterId);
  for (const payload of payloadsOf(message)) writer.bytes(payload);
}

/**
 * Judges a frame by its first {@link frameHeaderBytes}, so that nothing is allocated for one that is not ours or too long.
 * Throws {@link CorruptError} on a length that no frame of at most `frameBytesMax` can have.
 */
export function readFrameStart(header: Uint8Array, receiver: FrameReceiver, frameBytesMax: number): FrameStart {
  assert(header.length >= frameHeaderBytes, "a frame is judged by its whole header");
  const reason = foreignReason(header, receiver);
  if (reason !== null) return { kind: "foreign", reason };
  const frameBytes = lengthBytes + u32At(header, offsets.length);
  if (frameBytes > frameBytesMax) throw new CorruptError("a frame above the limit");
  if (frameBytes < payloadStart(header)) throw new CorruptError("a frame too short for its head");
  if (u32At(header, offsets.headLength) > headBytesMax) throw new CorruptError("a head above the limit");
  return { kind: "ours", frameBytes };
}

/**
 * Decodes `frame`, which must be exactly one frame. The payloads in the message are views of it: whoever passed the
 * frame gives it up, and it lives as long as the longest-kept payload. Throws {@link CorruptError}.
 */
export function decodeFrame(frame: Uint8Array, receiver: FrameReceiver): DecodedFrame {
  if (frame.length < frameHeaderBytes) throw new CorruptError("a frame shorter than its header");
  const start = readFrameStart(frame, receiver, frame.length);
  if (start.kind === "foreign") return start;
  if (start.frameBytes !== frame.length) throw new CorruptError("a frame longer than its length says");
  const payloads = payloadStart(frame);
  const checksum = payloads - checksumBytes;
  if (crc32(frame.subarray(offsets.magic, checksum)) !== u32At(frame, checksum)) {
    throw new CorruptError("a frame does not match its checksum");
  }
  const table = frameHeaderBytes + u32At(frame, offsets.headLength);
  try {
    const message = messageOf(
      u8At(frame, offsets.kind),
      { group: u32At(frame, offsets.group), from: u32At(frame, offsets.from), to: u32At(frame, offsets.to) },
      unpackFields(frame.subarray(frameHeaderBytes, table)),
      // Most frames carry no entries, and views cost more than looking.
      table === checksum && payloads === frame.length
        ? noEntries
        : { table: frame.subarray(table, checksum), payloads: frame.subarray(payloads) },
    );
    return { kind: "message", message };
  } catch (error) {
    if (error instanceof UnknownVersionError) return { kind: "foreign", reason: "newer" };
    throw error;
  }
}

const noBytes = new Uint8Array(0);
const noEntries = { table: noBytes, payloads: noBytes };

function foreignReason(header: Uint8Array, receiver: FrameReceiver): ForeignReason | null {
  if (u16At(header, offsets.magic) !== magic) return "magic";
  if (u8At(header, offsets.version) !== version) return "version";
  for (let i = 0; i < clusterIdLength; i++) {
    if (header[offsets.clusterId + i] !== receiver.clusterId[i]) return "cluster";
  }
  if (u32At(header, offsets.to) !== receiver.self) return "receiver";
  const from = u32At(header, offsets.from);
  if (from === 0 || from === receiver.self) return "sender";
  return receiver.peers === null || receiver.peers.has(from) ? null : "sender";
}

/** Where the payloads begin, as the header claims. */
function payloadStart(header: Uint8Array): number {
  return (
    frameHeaderBytes +
    u32At(header, offsets.headLength) +
    u32At(header, offsets.entryCount) * entryRowBytes +
    checksumBytes
  );
}

function asU32(value: number): number {
  assert(Number.isInteger(value) && value >= 0 && value < 0x1_0000_0000, "an id or a length that does not fit 32 bits");
  return value;
}

function u8At(bytes: Uint8Array, offset: number): number {
  const value = bytes[offset];
  assert(value !== undefined, "read beyond the bytes");
  return value;
}

function u16At(bytes: Uint8Array, offset: number): number {
  return (u8At(bytes, offset) << 8) | u8At(bytes, offset + 1);
}

function u32At(bytes: Uint8Array, offset: number): number {
  return u16At(bytes, offset) * 0x1_0000 + u16At(bytes, offset + 2);
}
