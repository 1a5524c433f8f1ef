/** Batches: what is copied, what is taken over where it lies, and that all of it stays in order. */
import { expect, test } from "bun:test";
import { Batcher } from "../../src/node/batcher.ts";
import { payloadVersion } from "../../src/wire/mod.ts";

const large = 20_000;

/** Commands in a buffer with a header before them, as a frame brings them. */
function inFrame(fill: number, length: number): Uint8Array {
  return new Uint8Array(8 + length).fill(fill).subarray(8);
}

const part = { count: 1, done: (): void => undefined };

function payloadsOf(batcher: Batcher): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  for (let batch = batcher.peek(); batch !== undefined; batch = batcher.peek()) {
    payloads.push(batch.payload);
    batcher.drop();
  }
  return payloads;
}

test("few commands are copied behind each other, and their bytes are free at once", () => {
  const batcher = new Batcher(1024 * 1024);
  const commands = inFrame(1, 3);
  batcher.add({ commands, count: 1, owned: true }, part);
  batcher.add({ commands: inFrame(2, 2), count: 1 }, part);
  commands.fill(9);
  expect(payloadsOf(batcher)).toEqual([Uint8Array.of(payloadVersion, 1, 1, 1, 2, 2)]);
});

test("many commands that are owned become a payload where they lie, in their order", () => {
  const batcher = new Batcher(1024 * 1024);
  const commands = inFrame(2, large);
  batcher.add({ commands: inFrame(1, 3), count: 1, owned: true }, part);
  batcher.add({ commands, count: 1, owned: true }, part);
  batcher.add({ commands: inFrame(3, 1), count: 1, owned: true }, part);
  const [before, adopted, after] = payloadsOf(batcher);
  expect([before, after]).toEqual([Uint8Array.of(payloadVersion, 1, 1, 1), Uint8Array.of(payloadVersion, 3)]);
  expect(adopted?.buffer).toBe(commands.buffer);
  expect([adopted?.length, adopted?.[0], adopted?.[1]]).toEqual([1 + large, payloadVersion, 2]);
});

test("many commands that are not owned are copied, and nothing before them is touched", () => {
  const batcher = new Batcher(1024 * 1024);
  const commands = inFrame(2, large);
  batcher.add({ commands, count: 1 }, part);
  commands.fill(9);
  const [payload] = payloadsOf(batcher);
  expect(payload?.subarray(0, 3)).toEqual(Uint8Array.of(payloadVersion, 2, 2));
  expect(new Uint8Array(commands.buffer, 0, 8)).toEqual(new Uint8Array(8).fill(2));
});
