/**
 * What the body of a datagram is made of: sections one behind the other. Reads them from bytes that a stranger may have
 * made; knows nothing of sessions and frames.
 *
 *     1 hello      u8 flags   u64 challenge   u64 answer   u64 offer
 *     2 ack        u64 highest   u16 run: so many before it have come, the next has not   u8 count
 *                  bytes: bit n of them tells whether number highest - run - 2 - n has come
 *     3 frame      u64 number   u32 length   bytes                                   delivered as it comes
 *     4 ordered frame, the same                                                       delivered in order
 *     5 fragment   u64 number   u32 frame length   u32 fragment size   u32 which   bytes
 *     6 ordered fragment, the same
 *     7 floor      u64 number: no ordered frame below it will come any more
 *     8 bye        the sender's life ends
 */
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import type { NumberWindow } from "./number_window.ts";

/** Makes two lives of two nodes known to each other. */
export interface Hello {
  readonly kind: "hello";
  /** Whether an answer is wanted. */
  readonly isQuestion: boolean;
  /** To be answered with the same number, which proves that the answer is no old recording. */
  readonly challenge: number;
  /** The latest challenge of the receiver; 0 before there was one. */
  readonly answer: number;
  /** The token by which the sender will know this life of the receiver. */
  readonly offer: number;
}

export interface Ack {
  readonly kind: "ack";
  readonly highest: number;
  /** How many numbers next below the highest have come, without one that has not. */
  readonly run: number;
  /** Of the numbers below the one that has not. */
  readonly bits: Uint8Array;
}

/** A whole frame, or a piece of one. */
export interface Piece {
  readonly isOrdered: boolean;
  /** Of the frame. */
  readonly number: number;
  readonly frameBytes: number;
  /** The size of every fragment but the last; that of the frame where it is whole. */
  readonly fragmentBytes: number;
  readonly which: number;
  /** Its bytes are those of `source` from `start` up to `end`, without `end`. */
  readonly source: Uint8Array;
  readonly start: number;
  readonly end: number;
}

export type Section =
  | Hello
  | Ack
  | (Piece & { readonly kind: "piece" })
  | { readonly kind: "floor"; readonly number: number }
  | { readonly kind: "bye" };

export const frameSectionBytes = 13;
export const fragmentSectionBytes = 21;
export const floorBytes = 9;
/** How many numbers below the highest one an acknowledgement tells of: more than fit into a window. */
const ackNumbersMax = 512;
export const ackBytesMax = 12 + ackNumbersMax / 8;
/** No fragment is smaller, so that no frame has more of them than a receiver is ready to count. Bytes. */
export const fragmentBytesMin = 256;

const kinds = {
  hello: 1,
  ack: 2,
  frame: 3,
  orderedFrame: 4,
  fragment: 5,
  orderedFragment: 6,
  floor: 7,
  bye: 8,
} as const;

export function writeHello(writer: ByteWriter, hello: Omit<Hello, "kind">): void {
  writer.u8(kinds.hello);
  writer.u8(hello.isQuestion ? 1 : 0);
  writer.u53(hello.challenge);
  writer.u53(hello.answer);
  writer.u53(hello.offer);
}

/** Tells which of the newest numbers have come. */
export function writeAck(writer: ByteWriter, come: NumberWindow): void {
  const { highest } = come;
  const run = come.runBelow(highest, ackNumbersMax);
  const first = highest - run - 2;
  const count = Math.ceil(Math.max(0, Math.min(ackNumbersMax - run - 1, first)) / 8);
  writer.u8(kinds.ack);
  writer.u53(highest);
  writer.u16(run);
  writer.u8(count);
  for (let byte = 0; byte < count; byte++) {
    let bits = 0;
    for (let bit = 0; bit < 8; bit++) if (come.has(first - (byte * 8 + bit))) bits |= 1 << bit;
    writer.u8(bits);
  }
}

/** Whether `number` has come, as `ack` says. */
export function isAcknowledged({ highest, run, bits }: Ack, number: number): boolean {
  if (number <= highest && number >= highest - run) return true;
  const position = highest - run - 2 - number;
  return position >= 0 && (((bits[position >>> 3] ?? 0) >>> (position & 7)) & 1) === 1;
}

export function writePiece(writer: ByteWriter, piece: Piece): void {
  const isWhole = piece.fragmentBytes === piece.frameBytes;
  if (isWhole) writer.u8(piece.isOrdered ? kinds.orderedFrame : kinds.frame);
  else writer.u8(piece.isOrdered ? kinds.orderedFragment : kinds.fragment);
  writer.u53(piece.number);
  writer.u32(piece.frameBytes);
  if (!isWhole) {
    writer.u32(piece.fragmentBytes);
    writer.u32(piece.which);
  }
  writer.copy(piece.source, piece.start, piece.end);
}

export function writeFloor(writer: ByteWriter, number: number): void {
  writer.u8(kinds.floor);
  writer.u53(number);
}

export function writeBye(writer: ByteWriter): void {
  writer.u8(kinds.bye);
}

/** The hello that a body begins with; null if it begins otherwise. The rest is not read: it may be anything. */
export function readGreeting(body: Uint8Array): Hello | null {
  if (body[0] !== kinds.hello) return null;
  const reader = new ByteReader(body);
  reader.skip(1);
  return readHello(reader);
}

/** All sections of a body. Throws {@link CorruptError} if one of them is not what it claims to be. */
export function readSections(body: Uint8Array): readonly Section[] {
  const reader = new ByteReader(body);
  const sections: Section[] = [];
  while (reader.remaining > 0) sections.push(readSection(reader, body));
  return sections;
}

function readSection(reader: ByteReader, body: Uint8Array): Section {
  const kind = reader.u8();
  switch (kind) {
    case kinds.hello:
      return readHello(reader);
    case kinds.ack: {
      const highest = reader.u53();
      return { kind: "ack", highest, run: reader.u16(), bits: reader.bytes(reader.u8()) };
    }
    case kinds.frame:
    case kinds.orderedFrame:
      return readWhole(reader, body, kind === kinds.orderedFrame);
    case kinds.fragment:
    case kinds.orderedFragment:
      return readFragment(reader, body, kind === kinds.orderedFragment);
    case kinds.floor:
      return { kind: "floor", number: reader.u53() };
    case kinds.bye:
      return { kind: "bye" };
    default:
      throw new CorruptError("an unknown section of a datagram");
  }
}

function readHello(reader: ByteReader): Hello {
  const isQuestion = reader.u8() !== 0;
  return { kind: "hello", isQuestion, challenge: reader.u53(), answer: reader.u53(), offer: reader.u53() };
}

function readWhole(reader: ByteReader, source: Uint8Array, isOrdered: boolean): Section {
  const number = frameNumber(reader);
  const frameBytes = reader.u32();
  const start = reader.position;
  const end = start + frameBytes;
  reader.skip(frameBytes);
  return { kind: "piece", isOrdered, number, frameBytes, fragmentBytes: frameBytes, which: 0, source, start, end };
}

function readFragment(reader: ByteReader, source: Uint8Array, isOrdered: boolean): Section {
  const number = frameNumber(reader);
  const frameBytes = reader.u32();
  const fragmentBytes = reader.u32();
  const which = reader.u32();
  if (fragmentBytes < fragmentBytesMin || fragmentBytes >= frameBytes) throw new CorruptError("a fragment of no frame");
  const place = which * fragmentBytes;
  if (place >= frameBytes) throw new CorruptError("a fragment behind the end of its frame");
  const start = reader.position;
  const end = start + Math.min(fragmentBytes, frameBytes - place);
  reader.skip(end - start);
  return { kind: "piece", isOrdered, number, frameBytes, fragmentBytes, which, source, start, end };
}

function frameNumber(reader: ByteReader): number {
  const number = reader.u53();
  if (number === 0) throw new CorruptError("a frame without a number");
  return number;
}
