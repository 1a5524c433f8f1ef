/** MessagePack for one thing only: a short positional array of integers and flags. Refuses to write or read anything else. */
import { DecodeError, Decoder, Encoder } from "@msgpack/msgpack";
import { assert } from "../lib/assert.ts";
import { CorruptError } from "../lib/errors.ts";

/** An integer from 0 up to 2^53 - 1, or a flag. */
export type Field = number | boolean;

/** The most fields an array may have. Small, so that no hostile nesting makes the decoder allocate much. */
const fieldsMax = 15;

const encoder = new Encoder({ initialBufferSize: 256 });
const decoder = new Decoder({
  maxArrayLength: fieldsMax,
  maxMapLength: 0,
  maxStrLength: 0,
  maxBinLength: 0,
  maxExtLength: 0,
});

/** Packs `fields` as one array. The bytes are valid until the next call: copy them at once. */
export function packFields(fields: readonly Field[]): Uint8Array {
  assert(fields.length <= fieldsMax, "too many fields for one array");
  for (const field of fields) assert(typeof field === "boolean" || isCount(field), "a field out of range");
  return encoder.encodeSharedRef(fields);
}

/** Unpacks what {@link packFields} wrote, to be read field by field. Throws {@link CorruptError}. */
export function unpackFields(bytes: Uint8Array): FieldReader {
  return new FieldReader(decodeArray(bytes));
}

/** Hands out fields in the order in which they were packed. Every method throws {@link CorruptError} on what does not fit. */
export class FieldReader {
  private position = 0;

  constructor(private readonly fields: readonly unknown[]) {}

  /** The next field, an integer from 0 up to 2^53 - 1 (rule L14). */
  integer(): number {
    const field = this.fields[this.position++];
    if (typeof field !== "number" || !isCount(field))
      throw new CorruptError("a field is not an integer from 0 to 2^53 - 1");
    return field;
  }

  flag(): boolean {
    const field = this.fields[this.position++];
    if (typeof field !== "boolean") throw new CorruptError("a field is not a flag");
    return field;
  }

  /** To be called after the last field: there must not be another. */
  end(): void {
    if (this.position !== this.fields.length) throw new CorruptError("more fields than the kind has");
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function decodeArray(bytes: Uint8Array): readonly unknown[] {
  let value: unknown;
  try {
    value = decoder.decode(bytes);
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError)
      throw new CorruptError("not MessagePack", { cause: error });
    throw error;
  }
  if (!Array.isArray(value)) throw new CorruptError("not an array of fields");
  return value;
}
