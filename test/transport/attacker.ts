/** What somebody who reaches a node's UDP port can send it: made up, or made of datagrams that were recorded. */
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import type { Random } from "../../src/lib/random.ts";
import type { NodeId } from "../../src/raft/mod.ts";
import { checksumSeal, datagramPrefix, writeDatagramHead, type DatagramHead } from "../../src/transport/datagram.ts";
import { writeHello } from "../../src/transport/datagram_sections.ts";

/** A datagram that is right in everything that can be known without a key and without seeing any: `body` writes its sections. */
export function forged(
  clusterId: Uint8Array,
  head: DatagramHead,
  body: (writer: ByteWriter) => void,
): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  writeDatagramHead(writer, datagramPrefix(head, { clusterId, seal: checksumSeal }), head.number);
  body(writer);
  return checksumSeal.close(writer, head);
}

/** A call of a life of `from` that never was. */
export function forgedHello(
  clusterId: Uint8Array,
  { from, to }: { readonly from: NodeId; readonly to: NodeId },
  random: Random,
): Uint8Array<ArrayBuffer> {
  const any = (): number => random.integer(1, 2 ** 52);
  const token = random.next() < 0.5 ? 0 : any();
  return forged(clusterId, { from, to, boot: any(), token, number: any() }, (writer) => {
    writeHello(writer, { isQuestion: random.next() < 0.5, challenge: any(), answer: any(), offer: any() });
  });
}

/** With one bit changed. */
export function flipped(datagram: Uint8Array, random: Random): Uint8Array {
  const changed = datagram.slice();
  const position = random.integer(0, changed.length - 1);
  changed[position] = (changed[position] ?? 0) ^ (1 << random.integer(0, 7));
  return changed;
}

/** Without its end. */
export function truncated(datagram: Uint8Array, random: Random): Uint8Array {
  return datagram.slice(0, random.integer(0, datagram.length - 1));
}

export function noise(random: Random): Uint8Array {
  return Uint8Array.from({ length: random.integer(0, 300) }, () => random.integer(0, 255));
}
