/**
 * A snapshot that leaves its cluster: one file that says where it comes from and proves that it is whole. Written as a stream,
 * by a node that serves meanwhile; read from a file, without believing a byte of it.
 *
 *     file      head, a snapshot (snapshot_format.ts), digest
 *     head      u32 magic, u32 format, u32 length, facts as JSON, u32 CRC-32 of the head up to here
 *     digest    SHA-256 of everything before it
 */
import { createHash, type Hash } from "node:crypto";
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { crc32 } from "../lib/checksum.ts";
import { CorruptError } from "../lib/errors.ts";
import type { FileBytes } from "./files.ts";
import { SnapshotDecoder } from "./snapshot_decoder.ts";
import { SnapshotEncoder } from "./snapshot_encoder.ts";
import { snapshotName, type SnapshotId, type SnapshotMeta } from "./snapshots.ts";

/** What the head of a saved snapshot tells. */
export interface SavedFacts extends SnapshotId {
  readonly clusterId: string;
  readonly cluster: string;
  /** The node that wrote it. */
  readonly nodeId: number;
  readonly revision: number;
  readonly keys: number;
  /** ISO 8601, as the clock of that node had it. */
  readonly savedAt: string;
  /** The version of proa that wrote it. */
  readonly version: string;
}

/** "prsv". */
const magic = 0x70727376;
/** A greater number in a file means that a newer program wrote it. */
const format = 1;
const fixedHeadBytes = 3 * 4;
/** More than any head needs, so that a damaged length is not believed. */
const factsBytesMax = 4096;
/** The length of the digest, which ends the file. */
export const digestBytes = 32;
/** How much is read at once to make the digest. */
const readBytes = 1024 * 1024;

const utf8 = new TextEncoder();

/** Turns an image that arrives in slices into the bytes of a file. */
export class SavedSnapshotEncoder {
  private readonly hash = createHash("sha256");
  private readonly encoder: SnapshotEncoder;

  /** `write` gets the bytes of the file in order and must not keep them. */
  constructor(
    facts: Omit<SavedFacts, keyof SnapshotId>,
    meta: SnapshotMeta,
    private readonly write: (bytes: Uint8Array) => void,
  ) {
    const { group, index, term } = meta;
    this.put(encodeHead({ ...facts, group, index, term }));
    this.encoder = new SnapshotEncoder(meta, (bytes) => this.put(bytes));
  }

  append(slice: Uint8Array): void {
    this.encoder.append(slice);
  }

  finish(): void {
    this.encoder.finish();
    this.write(this.hash.digest());
  }

  private put(bytes: Uint8Array): void {
    this.hash.update(bytes);
    this.write(bytes);
  }
}

/** A saved snapshot, read from wherever it lies. */
export class SavedSnapshot {
  readonly facts: SavedFacts;
  private readonly decoder: SnapshotDecoder;

  /** Closes `file` when it is closed itself, or when it cannot be made. Reads both ends of it. Throws {@link CorruptError}. */
  constructor(private readonly file: FileBytes) {
    try {
      const { facts, bytes } = readHead(file);
      this.facts = facts;
      this.decoder = new SnapshotDecoder(snapshotName(facts), inner(file, bytes));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** The configuration of its cluster. */
  get meta(): SnapshotMeta {
    return this.decoder.meta;
  }

  /** Of the image. */
  get bytes(): number {
    return this.decoder.bytes;
  }

  /** Reads everything once, and returns the digest in hexadecimal digits: no other snapshot has it. Throws {@link CorruptError}. */
  verify(): string {
    this.decoder.verify(); // first, because it says where the damage is
    const { file } = this;
    const hash = createHash("sha256");
    const end = file.size - digestBytes;
    for (let position = 0; position < end;) {
      const bytes = file.read({ position, length: Math.min(readBytes, end - position) });
      hash.update(bytes);
      position += bytes.length;
    }
    const found = file.read({ position: end, length: digestBytes });
    const digest = hash.digest("hex");
    if (Buffer.from(found).toString("hex") !== digest) throw new CorruptError("the file does not match its digest");
    return digest;
  }

  /** The bytes of the image, as {@link SnapshotDecoder.readAll} has them. */
  readAll(take: (piece: Uint8Array) => void): void {
    this.decoder.readAll(take);
  }

  close(): void {
    this.decoder.close();
  }
}

/** Checks a file that arrives in pieces against its digest, which ends it. Constant in memory. */
export class DigestCheck {
  private readonly hash: Hash = createHash("sha256");
  /** The end of what came: perhaps the digest. */
  private tail = new Uint8Array(0);

  update(bytes: Uint8Array): void {
    const joined = Buffer.concat([this.tail, bytes]);
    const known = Math.max(0, joined.length - digestBytes);
    this.hash.update(joined.subarray(0, known));
    this.tail = new Uint8Array(joined.subarray(known));
  }

  /** Whether what came was a whole file. To be asked once, in the end. */
  isWhole(): boolean {
    return Buffer.from(this.tail).equals(this.hash.digest());
  }
}

function encodeHead(facts: SavedFacts): Uint8Array {
  const text = utf8.encode(JSON.stringify(facts));
  const writer = new ByteWriter();
  writer.u32(magic);
  writer.u32(format);
  writer.u32(text.length);
  writer.bytes(text);
  writer.u32(crc32(writer.peek()));
  return writer.take();
}

/** The facts, and how many bytes the head has. */
function readHead(file: FileBytes): { readonly facts: SavedFacts; readonly bytes: number } {
  const fixed = new ByteReader(file.read({ position: 0, length: Math.min(fixedHeadBytes, file.size) }));
  if (fixed.remaining < fixedHeadBytes || fixed.u32() !== magic) throw new CorruptError("it is no saved snapshot");
  const found = fixed.u32();
  if (found !== format) throw new CorruptError(`it has format ${found}, and this proa knows only ${format}`);
  const length = fixed.u32();
  const bytes = fixedHeadBytes + length + 4;
  if (length > factsBytesMax) throw new CorruptError("head: length mismatch");
  if (bytes + digestBytes > file.size) throw new CorruptError("it is cut off");
  const head = file.read({ position: 0, length: bytes });
  const checksum = new ByteReader(head.subarray(bytes - 4)).u32();
  if (checksum !== crc32(head.subarray(0, bytes - 4))) throw new CorruptError("head: checksum mismatch");
  const text = new TextDecoder().decode(head.subarray(fixedHeadBytes, bytes - 4));
  return { facts: JSON.parse(text) as SavedFacts, bytes }; // our own text, as the checksum proves
}

/** What is between the head and the digest. */
function inner(file: FileBytes, headBytes: number): FileBytes {
  return {
    size: file.size - headBytes - digestBytes,
    read: (range) => file.read({ ...range, position: headBytes + range.position }),
    close: () => file.close(),
  };
}
