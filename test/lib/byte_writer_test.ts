/** What is written stands where it was written, however often the buffer grows. */
import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { seededRandom } from "../../src/lib/random.ts";

test("a part that is copied is the same as a view that is written", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 200; round++) {
    const [copied, viewed] = [new ByteWriter(1), new ByteWriter(1)];
    for (let step = 0; step < 10; step++) {
      const whole = Uint8Array.from({ length: random.integer(0, 300) }, () => random.integer(0, 255));
      const source = whole.subarray(random.integer(0, whole.length)); // of a buffer that begins before it
      const start = random.integer(0, source.length);
      const end = random.integer(start, source.length);
      copied.copy(source, start, end);
      copied.u8(step);
      viewed.bytes(source.subarray(start, end));
      viewed.u8(step);
    }
    expect(copied.take()).toEqual(viewed.take());
  }
});
