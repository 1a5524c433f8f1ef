/** Which numbers have come, and how an acknowledgement tells it, against a set. */
import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { ackBytesMax, isAcknowledged, readSections, writeAck } from "../../src/transport/datagram_sections.ts";
import type { Ack } from "../../src/transport/datagram_sections.ts";
import { NumberWindow } from "../../src/transport/number_window.ts";

function ackOf(window: NumberWindow): Ack {
  const writer = new ByteWriter();
  writeAck(writer, window);
  expect(writer.length).toBeLessThanOrEqual(ackBytesMax);
  const [ack] = readSections(writer.take());
  if (ack?.kind !== "ack") throw new Error("it is no acknowledgement");
  return ack;
}

for (const [seed, lost] of [
  [1, 0],
  [2, 0.003],
  [3, 0.2],
  [4, 0.9],
] as const) {
  test(`tells of the newest numbers what has come, where ${lost * 100} % are lost`, () => {
    const random = seededRandom(seed);
    const window = new NumberWindow();
    const come = new Set<number>();
    for (let number = 1; number <= 10_000; number++) {
      const late = number - random.integer(0, 20);
      for (const arrived of [number, late]) {
        if (arrived < 1 || random.next() < lost) continue;
        expect(window.add(arrived)).toBe(!come.has(arrived));
        come.add(arrived);
      }
      if (window.highest === 0 || random.next() > 0.02) continue;
      const { highest } = window;
      const ack = ackOf(window);
      for (let asked = highest + 3; asked > highest - 600; asked--) {
        const isTold = isAcknowledged(ack, asked);
        if (highest - asked <= 512 || isTold) expect([asked, isTold]).toEqual([asked, come.has(asked)]);
      }
    }
  });
}

test("where nothing is missing an acknowledgement has no bits", () => {
  const window = new NumberWindow();
  for (let number = 1; number <= 6000; number++) {
    window.add(number);
    expect(ackOf(window)).toMatchObject({ highest: number, run: Math.min(number - 1, 512), bits: new Uint8Array() });
  }
});
