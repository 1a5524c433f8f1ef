/**
 * The bytes of a snapshot file, wherever it is kept. The image is cut into chunks of one size, so that a chunk is found
 * without reading those before it, and the same image makes the same file however it arrived. Each checksum starts from
 * those before it, so a chunk of another place or another snapshot is damage too.
 *
 *     file      header, chunks, end
 *     header    u32 magic, u32 format, u32 chunkBytes, u32 metaLength, meta as JSON, u32 CRC-32 of the header up to here
 *     chunk     u32 length, u32 CRC-32 of the header's, the chunk's number and the bytes; all but the last are full
 *     end       u53 bytes of all chunks, u32 number of chunks, u32 CRC-32 of the checksums of all chunks,
 *               u32 CRC-32 of the header's and the end up to here
 */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { crc32 } from "../lib/checksum.ts";
import { CorruptError } from "../lib/errors.ts";
import { olderMembership } from "./rows.ts";
import type { SnapshotMeta } from "./snapshots.ts";

/** Big enough that seeking and system calls do not count, small enough for one turn. */
export const chunkBytesDefault = 256 * 1024;

export const fixedHeaderBytes = 4 * 4;
export const chunkHeaderBytes = 4 + 4;
export const endBytes = 8 + 3 * 4;

/** "prsn". */
const magic = 0x7072736e;
/** A greater number in a file means that a newer program wrote it. */
const format = 1;

/** What the rest of the file is read by. */
export interface SnapshotHeader {
  readonly meta: SnapshotMeta;
  readonly chunkBytes: number;
  /** Of the header itself. */
  readonly bytes: number;
  readonly checksum: number;
}

export interface SnapshotEnd {
  readonly bytes: number;
  readonly chunkCount: number;
  readonly chunksChecksum: number;
}

const utf8 = new TextEncoder();

/** The bytes of a header, and their checksum, which everything behind them rests on. */
export function encodeHeader(meta: SnapshotMeta, chunkBytes: number): { bytes: Uint8Array; checksum: number } {
  const { group, index, term, membership } = meta;
  const text = utf8.encode(JSON.stringify({ group, index, term, membership }));
  const writer = new ByteWriter();
  writer.u32(magic);
  writer.u32(format);
  writer.u32(chunkBytes);
  writer.u32(text.length);
  writer.bytes(text);
  const checksum = crc32(writer.peek());
  writer.u32(checksum);
  return { bytes: writer.take(), checksum };
}

/** The length of the header that begins with `fixed`. Throws {@link CorruptError} when it is none. */
export function headerBytes(fixed: Uint8Array): number {
  const reader = new ByteReader(fixed);
  if (reader.u32() !== magic) throw new CorruptError("not a snapshot");
  const found = reader.u32();
  if (found !== format) throw new CorruptError(`format ${found}, and this proa knows only ${format}`);
  reader.skip(4);
  return fixedHeaderBytes + reader.u32() + 4;
}

/** Reads exactly one header. Throws {@link CorruptError}. */
export function decodeHeader(header: Uint8Array): SnapshotHeader {
  const text = header.subarray(fixedHeaderBytes, header.length - 4);
  const checksum = crc32(header.subarray(0, header.length - 4));
  if (new ByteReader(header.subarray(header.length - 4)).u32() !== checksum)
    throw new CorruptError("checksum mismatch");
  const meta = JSON.parse(new TextDecoder().decode(text)) as SnapshotMeta; // our own text, as the checksum proves
  const membership = { ...olderMembership, ...meta.membership };
  return {
    meta: { ...meta, membership },
    chunkBytes: new ByteReader(header.subarray(8)).u32(),
    bytes: header.length,
    checksum,
  };
}

/** The checksum of chunk `number`, from 1, of the file with this header. */
export function chunkChecksum(header: { readonly checksum: number }, number: number, bytes: Uint8Array): number {
  return crc32(bytes, crc32(encodeU32(number), header.checksum));
}

/** The checksum over the checksums of all chunks, after one chunk more; it starts from 0. */
export function continuedChecksum(chunksChecksum: number, checksum: number): number {
  return crc32(encodeU32(checksum), chunksChecksum);
}

export function encodeEnd(header: { readonly checksum: number }, end: SnapshotEnd): Uint8Array {
  const writer = new ByteWriter(endBytes);
  writer.u53(end.bytes);
  writer.u32(end.chunkCount);
  writer.u32(end.chunksChecksum);
  writer.u32(crc32(writer.peek(), header.checksum));
  return writer.take();
}

/** Reads exactly one end. Throws {@link CorruptError}. */
export function decodeEnd(header: SnapshotHeader, bytes: Uint8Array): SnapshotEnd {
  const checksum = crc32(bytes.subarray(0, endBytes - 4), header.checksum);
  const reader = new ByteReader(bytes);
  reader.skip(endBytes - 4);
  if (reader.u32() !== checksum) throw new CorruptError("checksum mismatch");
  const fields = new ByteReader(bytes);
  return { bytes: fields.u53(), chunkCount: fields.u32(), chunksChecksum: fields.u32() };
}

function encodeU32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
