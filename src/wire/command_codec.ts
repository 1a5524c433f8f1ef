/**
 * The bytes of commands. A client writes a command once; the service port checks it, the log stores it and apply reads
 * it, all as the same bytes. What a command does to the store is not known here.
 *
 *     payload of an entry   u8 version, commands back to back
 *     command               u8 kind, u8 flags, u32 bodyLength, body
 *     put                   [u53 ifRevision] [u53 lease, or u53 ttlMs] u16 keyLength, key, value
 *     delete                [u53 ifRevision] u16 keyLength, key
 *     delete of a range     u16 startLength, start, u16 endLength, end
 *
 * The bodies of the other kinds are read by codecs of their own: settings_codec, txn_codec, once_codec, lease_codec.
 */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Scratch } from "../lib/scratch.ts";
import { keyTexts } from "./key_text.ts";
import type { KeyTexts } from "./key_text.ts";
import { boundProblem, keyProblem, refuse } from "./limits.ts";

export interface PutCommand {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** The mod revision that the key must have; 0: it must not exist; null: no condition. */
  readonly ifRevision: number | null;
  /** The key hangs on this lease, and goes with it; 0 or left out: on none, whatever it hung on before. */
  readonly lease?: number;
  /** Instead: on a lease of its own that is granted with it, and ends with it, for so long. Milliseconds. */
  readonly ttlMs?: number;
}

export interface DeleteCommand {
  readonly key: Uint8Array;
  /** As for a put. */
  readonly ifRevision: number | null;
}

/** All keys with `start` ≤ key < `end`, in the order of their bytes. */
export interface KeyRange {
  /** Empty: from the first key. */
  readonly start: Uint8Array;
  /** Null or empty: to the last key. */
  readonly end: Uint8Array | null;
}

const kindPut = 1;
const kindDelete = 2;

/** The kinds whose bodies have codecs of their own, by number. */
const bodyKinds = { 3: "compact", 4: "set", 5: "txn", 6: "query", 7: "once", 8: "lease" } as const;

export type BodyKind = (typeof bodyKinds)[keyof typeof bodyKinds];
export type CommandKind = "put" | "delete" | "deleteRange" | BodyKind;

const numberOfBodyKind: Readonly<Record<BodyKind, number>> = {
  compact: 3,
  set: 4,
  txn: 5,
  query: 6,
  once: 7,
  lease: 8,
};

/** Puts only: the same as `ifRevision` 0, in no bytes. */
const flagIfAbsent = 1;
/** The body starts with the revision; not for ranges. */
const flagIfRevision = 2;
/** Deletes only. */
const flagRange = 4;
/** Puts only: a lease stands behind the revision. */
const flagLease = 8;
/** Puts only: in the place of the lease stands for how long one is to be granted. */
const flagTtl = 16;

/** Throws a {@link ProaError} when the key is empty or too long; the limit of values is the server's. */
export function writePut(writer: ByteWriter, command: PutCommand): void {
  refuse(keyProblem("put", command.key.length));
  const { key, value, ifRevision, lease = 0, ttlMs = 0 } = command;
  assert(lease === 0 || ttlMs === 0, "a key hangs on one lease");
  const condition = ifRevision === null ? 0 : ifRevision === 0 ? flagIfAbsent : flagIfRevision;
  const hanging = lease > 0 ? flagLease : ttlMs > 0 ? flagTtl : 0;
  const numberBytes = (condition === flagIfRevision ? 8 : 0) + (hanging === 0 ? 0 : 8);
  const bodyLength = numberBytes + 2 + key.length + value.length;
  writeHeader(writer, { kind: kindPut, flags: condition | hanging, bodyLength });
  if (condition === flagIfRevision && ifRevision !== null) writer.u53(ifRevision);
  if (hanging !== 0) writer.u53(lease + ttlMs);
  writer.u16(key.length);
  writer.bytes(key);
  writer.bytes(value);
}

/** Throws a {@link ProaError} when the key is empty or too long. */
export function writeDelete(writer: ByteWriter, command: DeleteCommand): void {
  refuse(keyProblem("delete", command.key.length));
  const { key, ifRevision } = command;
  const flags = ifRevision === null ? 0 : flagIfRevision;
  const revisionBytes = ifRevision === null ? 0 : 8;
  writeHeader(writer, { kind: kindDelete, flags, bodyLength: revisionBytes + 2 + key.length });
  if (ifRevision !== null) writer.u53(ifRevision);
  writer.u16(key.length);
  writer.bytes(key);
}

/** Throws a {@link ProaError} when a bound is too long. */
export function writeDeleteRange(writer: ByteWriter, range: KeyRange): void {
  const { start, end } = range;
  const endLength = end?.length ?? 0;
  refuse(boundProblem("delete", "start", start.length));
  refuse(boundProblem("delete", "end", endLength));
  writeHeader(writer, { kind: kindDelete, flags: flagRange, bodyLength: 2 + start.length + 2 + endLength });
  writer.u16(start.length);
  writer.bytes(start);
  writer.u16(endLength);
  if (end !== null) writer.bytes(end);
}

/** Appends a command of a kind whose body is written by its own codec. */
export function writeBodyCommand(writer: ByteWriter, kind: BodyKind, body: Uint8Array): void {
  const start = beginBodyCommand(writer, kind);
  writer.bytes(body);
  endBodyCommand(writer, start);
}

/** The same for a body that is appended behind this, up to {@link endBodyCommand}, which takes what is returned. */
export function beginBodyCommand(writer: ByteWriter, kind: BodyKind): number {
  writeHeader(writer, { kind: numberOfBodyKind[kind], flags: 0, bodyLength: 0 });
  return writer.length;
}

export function endBodyCommand(writer: ByteWriter, start: number): void {
  writer.patchU32(start - 4, writer.length - start);
}

function writeHeader(writer: ByteWriter, header: { kind: number; flags: number; bodyLength: number }): void {
  writer.u8(header.kind);
  writer.u8(header.flags);
  writer.u32(header.bodyLength);
}

/**
 * Walks over commands and shows one at a time, without an object for each. Anything that no writer above could have
 * written is a {@link CorruptError}: unknown kinds, reserved flags, lengths that do not add up. Limits are not checked.
 */
export class CommandCursor {
  kind: CommandKind = "put";
  /** The mod revision that the key must have; 0: it must not exist; null: no condition. */
  ifRevision: number | null = null;
  /** Of a put: the lease that the key is to hang on; 0: none. */
  lease = 0;
  /** Of a put: for how long a lease is to be granted with it; 0: none is. Milliseconds. */
  ttlMs = 0;

  /** Where the key lies in `commands`: from the first up to the second, without it. */
  keyStart = 0;
  keyEnd = 0;

  private readonly reader: ByteReader;
  private readonly texts: KeyTexts;
  /** What follows the key: the value of a put, the upper end of a range, else nothing. */
  private restStart = 0;
  private restEnd = 0;

  constructor(readonly commands: Uint8Array) {
    this.reader = new ByteReader(commands);
    this.texts = keyTexts(commands);
  }

  /** Goes on to the next command; false when there is none. */
  next(): boolean {
    const { reader } = this;
    if (reader.remaining === 0) return false;
    const kind = reader.u8();
    const flags = reader.u8();
    const bodyLength = reader.u32();
    if (kind > kindDelete) {
      this.readBody(bodyKindOf(kind, flags), bodyLength);
      return true;
    }
    const bodyEnd = reader.position + bodyLength;
    this.readKindAndCondition(kind, flags);
    const keyLength = reader.u16();
    this.keyStart = reader.position;
    this.keyEnd = this.keyStart + keyLength;
    reader.skip(keyLength);
    const restLength = this.kind === "deleteRange" ? reader.u16() : this.kind === "put" ? bodyEnd - this.keyEnd : 0;
    this.restStart = reader.position;
    this.restEnd = this.restStart + restLength;
    if (this.restEnd !== bodyEnd || restLength < 0) throw new CorruptError("a body that does not fill its length");
    reader.skip(restLength);
    return true;
  }

  get keyLength(): number {
    return this.keyEnd - this.keyStart;
  }

  /** Bytes of the value of a put, or of the upper end of a range. */
  get restLength(): number {
    return this.restEnd - this.restStart;
  }

  /** The key, or the lower end of a range, as {@link keyText}. */
  keyText(): string {
    return this.texts.slice(this.keyStart, this.keyEnd);
  }

  /** The key as a view. */
  keyView(): Uint8Array {
    return this.commands.subarray(this.keyStart, this.keyEnd);
  }

  /** The upper end of a range as {@link keyText}; null: none. */
  endText(): string | null {
    assert(this.kind === "deleteRange", "only a range has an end");
    return this.restLength === 0 ? null : this.texts.slice(this.restStart, this.restEnd);
  }

  /** The bounds of a range as views. */
  rangeView(): KeyRange {
    assert(this.kind === "deleteRange", "only a range has bounds");
    const end = this.restLength === 0 ? null : this.commands.subarray(this.restStart, this.restEnd);
    return { start: this.keyView(), end };
  }

  /** The value of a put as a view. */
  valueView(): Uint8Array {
    assert(this.kind === "put", "only a put has a value");
    return this.commands.subarray(this.restStart, this.restEnd);
  }

  /** The same, good only until `scratch` is used again. */
  valueIn(scratch: Scratch): Uint8Array {
    assert(this.kind === "put", "only a put has a value");
    return scratch.bytes(this.commands, this.restStart, this.restEnd);
  }

  /** The body of a command that has a codec of its own, as a view. */
  body(): Uint8Array {
    return this.commands.subarray(this.restStart, this.restEnd);
  }

  private readBody(kind: BodyKind, bodyLength: number): void {
    const { reader } = this;
    this.kind = kind;
    this.ifRevision = null;
    this.lease = this.ttlMs = 0;
    this.keyStart = this.keyEnd = this.restStart = reader.position;
    this.restEnd = this.restStart + bodyLength;
    reader.skip(bodyLength);
  }

  private readKindAndCondition(kind: number, flags: number): void {
    this.ifRevision = null;
    this.lease = this.ttlMs = 0;
    if (kind === kindPut) {
      this.kind = "put";
      if (flags !== 0) this.readPutFlags(flags);
    } else if (kind === kindDelete) {
      this.kind = flags === flagRange ? "deleteRange" : "delete";
      if (flags === flagIfRevision) this.ifRevision = this.reader.u53();
      else if (flags !== flagRange && flags !== 0)
        throw new CorruptError(`flags ${flags}, which a delete does not know`);
    } else {
      throw new CorruptError(`kind ${kind}, which is not known`);
    }
  }

  private readPutFlags(flags: number): void {
    const condition = flags & (flagIfAbsent | flagIfRevision);
    const hanging = flags & (flagLease | flagTtl);
    const isKnown = condition !== (flagIfAbsent | flagIfRevision) && hanging !== (flagLease | flagTtl);
    if (!isKnown || flags !== (condition | hanging))
      throw new CorruptError(`flags ${flags}, which a put does not know`);
    if (condition === flagIfAbsent) this.ifRevision = 0;
    else if (condition === flagIfRevision) this.ifRevision = this.reader.u53();
    if (hanging === 0) return;
    const number = this.reader.u53();
    if (number === 0) throw new CorruptError("a put that hangs on lease 0");
    if (hanging === flagLease) this.lease = number;
    else this.ttlMs = number;
  }
}

function bodyKindOf(kind: number, flags: number): BodyKind {
  const known: Readonly<Record<number, BodyKind | undefined>> = bodyKinds;
  const name = known[kind];
  if (name === undefined) throw new CorruptError(`kind ${kind}, which is not known`);
  if (flags !== 0) throw new CorruptError(`flags ${flags}, which this kind of command does not know`);
  return name;
}
