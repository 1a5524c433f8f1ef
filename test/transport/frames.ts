/** Messages that are told apart by a number, and their frames. */
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import type { Message, NodeId } from "../../src/raft/mod.ts";
import { clusterIdBytes, writeFrame } from "../../src/wire/mod.ts";
import { clusterId } from "../wire/sample_messages.ts";

/** A heartbeat, from node 1 unless said otherwise, that a test knows again by its round. */
export function heartbeat(options: { readonly from?: NodeId; readonly to: NodeId; readonly round: number }): Message {
  const { from = 1, to, round } = options;
  return { kind: "Heartbeat", group: 0, directory: 0, from, to, term: 1, commitIndex: 0, round, session: 1 };
}

export function roundOf(message: Message): number {
  if (message.kind !== "Heartbeat") throw new Error(`expected a heartbeat, not ${message.kind}`);
  return message.round;
}

export function frameOf(message: Message): Uint8Array {
  const writer = new ByteWriter();
  writeFrame(writer, message, clusterIdBytes(clusterId));
  return writer.take();
}
