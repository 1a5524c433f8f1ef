/**
 * The bytes of commands and of their results. A client writes a command once; the service port checks it, the log
 * stores it and apply reads it, all as the same bytes. What a command does to the store is not known here.
 *
 *     payload of an entry   u8 version, commands back to back
 *     command               u8 kind, u8 flags, u32 bodyLength, body
 *     put                   [u53 ifRevision] u16 keyLength, key, value
 *     delete                [u53 ifRevision] u16 keyLength, key
 *     delete of a range     u16 startLength, start, u16 endLength, end
 *     result                u8 status, u53 revision, u53 modRevision, u32 changed
 */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import { keyTexts } from "./key_text.ts";
import type { KeyTexts } from "./key_text.ts";
import type { BatchCheck, CommandLimits, Refused } from "./limits.ts";
import { boundProblem, keyProblem, refuse, refused, valueProblem } from "./limits.ts";

/** The first byte of the payload of every `commands` entry. */
export const payloadVersion = 1;

/** Bytes of one encoded result. */
export const resultBytes = 21;

export interface PutCommand {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** The mod revision that the key must have; 0: it must not exist; null: no condition. */
  readonly ifRevision: number | null;
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

export interface CommandResult {
  /** `preconditionFailed`: the command changed nothing, because `ifRevision` did not hold. */
  readonly status: "ok" | "preconditionFailed";
  /** The revision of the store after the command. */
  readonly revision: number;
  /** The mod revision of the key after the command; 0 if it does not exist, and for a range. */
  readonly modRevision: number;
  /** How many keys were created, overwritten or deleted. */
  readonly changed: number;
}

const kindPut = 1;
const kindDelete = 2;

/** Puts only: the same as `ifRevision` 0, in no bytes. */
const flagIfAbsent = 1;
/** The body starts with the revision; not for ranges. */
const flagIfRevision = 2;
/** Deletes only. */
const flagRange = 4;

/** Throws a {@link ProaError} when the key is empty or too long; the limit of values is the server's. */
export function writePut(writer: ByteWriter, command: PutCommand): void {
  refuse(keyProblem("put", command.key.length));
  const { key, value, ifRevision } = command;
  const flags = ifRevision === null ? 0 : ifRevision === 0 ? flagIfAbsent : flagIfRevision;
  const revisionBytes = flags === flagIfRevision ? 8 : 0;
  writeHeader(writer, { kind: kindPut, flags, bodyLength: revisionBytes + 2 + key.length + value.length });
  if (flags === flagIfRevision && ifRevision !== null) writer.u53(ifRevision);
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
  kind: "put" | "delete" | "deleteRange" = "put";
  /** The mod revision that the key must have; 0: it must not exist; null: no condition. */
  ifRevision: number | null = null;

  private readonly reader: ByteReader;
  private readonly texts: KeyTexts;
  private keyStart = 0;
  private keyEnd = 0;
  /** What follows the key: the value of a put, the upper end of a range, else nothing. */
  private restStart = 0;
  private restEnd = 0;

  constructor(private readonly commands: Uint8Array) {
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

  /** A copy of the value of a put: a view would keep the whole batch in memory for as long as the value lives. */
  copyValue(): Uint8Array {
    assert(this.kind === "put", "only a put has a value");
    // Not this.commands.slice(): on a Buffer that is a view.
    return Uint8Array.prototype.slice.call(this.commands, this.restStart, this.restEnd);
  }

  private readKindAndCondition(kind: number, flags: number): void {
    this.ifRevision = null;
    if (kind === kindPut) {
      this.kind = "put";
      if (flags === flagIfAbsent) this.ifRevision = 0;
      else if (flags === flagIfRevision) this.ifRevision = this.reader.u53();
      else if (flags !== 0) throw new CorruptError(`flags ${flags}, which a put does not know`);
    } else if (kind === kindDelete) {
      this.kind = flags === flagRange ? "deleteRange" : "delete";
      if (flags === flagIfRevision) this.ifRevision = this.reader.u53();
      else if (flags !== flagRange && flags !== 0)
        throw new CorruptError(`flags ${flags}, which a delete does not know`);
    } else {
      throw new CorruptError(`kind ${kind}, which is not known`);
    }
  }
}

/**
 * Checks commands where they enter, before anything is written: format, limits, and that there is one (rule X4).
 * What passes here will be applied.
 */
export function validateCommands(commands: Uint8Array, limits: CommandLimits): BatchCheck {
  const cursor = new CommandCursor(commands);
  let count = 0;
  try {
    for (; cursor.next(); count++) {
      const problem = commandProblem(cursor, limits);
      if (problem !== null) return problem;
    }
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    return refused("INVALID_REQUEST", `Cannot read command ${count + 1} of the request: ${error.message}`);
  }
  if (count === 0) return refused("INVALID_REQUEST", "Cannot write: the request holds no command");
  return { ok: true, count };
}

function commandProblem(cursor: CommandCursor, limits: CommandLimits): Refused | null {
  switch (cursor.kind) {
    case "put":
      return keyProblem("put", cursor.keyLength) ?? valueProblem("put", cursor.restLength, limits);
    case "delete":
      return keyProblem("delete", cursor.keyLength);
    case "deleteRange":
      return boundProblem("delete", "start", cursor.keyLength) ?? boundProblem("delete", "end", cursor.restLength);
  }
}

/**
 * A cursor over the commands of an entry's payload, all of which are whole: apply, which cannot go back, reads on
 * without meeting an error halfway. Throws {@link CorruptError} otherwise.
 */
export function payloadCursor(payload: Uint8Array): CommandCursor {
  if (payload[0] !== payloadVersion) throw new CorruptError(`payload version ${payload[0]}, which is not known`);
  const commands = payload.subarray(1);
  const check = new CommandCursor(commands);
  while (check.next());
  return new CommandCursor(commands);
}

export function writeResult(writer: ByteWriter, result: CommandResult): void {
  writer.u8(result.status === "ok" ? 0 : 1);
  writer.u53(result.revision);
  writer.u53(result.modRevision);
  writer.u32(result.changed);
}

/** Throws {@link CorruptError}. */
export function readResult(reader: ByteReader): CommandResult {
  const status = reader.u8();
  if (status > 1) throw new CorruptError(`result status ${status}, which is not known`);
  return {
    status: status === 0 ? "ok" : "preconditionFailed",
    revision: reader.u53(),
    modRevision: reader.u53(),
    changed: reader.u32(),
  };
}
