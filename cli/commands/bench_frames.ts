/** The bytes that `proa bench` sends, and what the answers to them say. Draws keys at random; knows no time and no connection. */
import { assert } from "../../src/lib/assert.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { CorruptError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { readGetAnswer, readResult, writeGet, writePut } from "../../src/wire/mod.ts";
import type { KeyHistory, Recorded } from "./bench_history.ts";
import type { BenchPlan, Operation } from "./bench_plan.ts";

/** Requests that travel together. */
export interface Frame {
  readonly op: Operation;
  readonly count: number;
  /** Commands or queries; valid until the next frame is made. */
  readonly body: Uint8Array;
  /** One for each request if the run is checked, else empty. */
  readonly recorded: readonly Recorded[];
}

/** `bench/` and ten digits. */
const keyDigits = 10;
const keyPrefix = new TextEncoder().encode("bench/");

export class FrameMaker {
  private readonly writer = new ByteWriter(64 * 1024);
  private readonly random = seededRandom(1);
  private readonly key = new Uint8Array(keyPrefix.length + keyDigits);
  private readonly value: Uint8Array;

  /** `history` is told of every request, and chooses its key; null when nothing is to be checked. */
  constructor(
    private readonly plan: Pick<BenchPlan, "keyCount" | "valueBytes">,
    private readonly history: KeyHistory | null,
  ) {
    this.key.set(keyPrefix);
    this.value = Uint8Array.from({ length: plan.valueBytes }, () => this.random.integer(0, 255));
  }

  /** `count` requests on keys at random. */
  frame(op: Operation, count: number): Frame {
    const { writer, history } = this;
    const recorded: Recorded[] = [];
    writer.reset();
    for (let i = 0; i < count; i++) {
      if (history === null) this.write(op, this.keyOf(this.random.integer(0, this.plan.keyCount - 1)));
      else recorded.push(this.writeRecorded(history, op));
    }
    return { op, count, body: writer.peek(), recorded };
  }

  /** Puts of the keys from number `first` on. */
  fill(first: number, count: number): Frame {
    this.writer.reset();
    for (let i = 0; i < count; i++) this.write("put", this.keyOf(first + i));
    return { op: "put", count, body: this.writer.peek(), recorded: [] };
  }

  /** Throws {@link CorruptError} unless `body` answers each request of a frame; tells the history what was found. */
  readAnswers({ op, count, recorded }: Frame, body: Uint8Array): void {
    const reader = new ByteReader(body);
    for (let i = 0; i < count; i++) {
      const record = recorded[i];
      if (record !== undefined) record.answered(op === "put" ? null : foundValue(reader));
      else if (op === "get") reader.skip(reader.u32());
      if (op === "put" && readResult(reader).status !== "ok")
        throw new CorruptError("a put without a condition failed");
    }
    if (reader.remaining > 0) throw new CorruptError("more answers than requests");
  }

  private writeRecorded(history: KeyHistory, op: Operation): Recorded {
    const record = history.begin(op);
    new DataView(this.value.buffer).setFloat64(0, record.value);
    this.write(op, record.key);
    return record;
  }

  private write(op: Operation, key: Uint8Array): void {
    if (op === "put") writePut(this.writer, { key, value: this.value, ifRevision: null });
    else writeGet(this.writer, key);
  }

  /** The same bytes each time. */
  private keyOf(number: number): Uint8Array {
    assert(number < 10 ** keyDigits, "the number of a key has at most ten digits");
    let rest = number;
    for (let place = this.key.length - 1; place >= keyPrefix.length; place--) {
      this.key[place] = 48 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    return this.key;
  }
}

/** The number in the value that a get found; 0: no such key. */
function foundValue(reader: ByteReader): number {
  const { state } = readGetAnswer(reader);
  if (state === null) return 0;
  const { buffer, byteOffset } = state.value;
  return new DataView(buffer, byteOffset).getFloat64(0);
}
