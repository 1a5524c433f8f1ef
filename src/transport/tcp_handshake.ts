/**
 * How two ends of a connection prove to each other that they know the cluster key, before any message passes. Both draw
 * a random number, so that no recording helps: bytes in, bytes out, no socket.
 *
 *     dialer    u32 magic   u32 from   u32 to   32 random bytes
 *     acceptor  32 random bytes   32 bytes of proof
 *     dialer    32 bytes of proof, then frames
 */
import { randomBytes } from "node:crypto";
import { ByteWriter } from "../lib/byte_writer.ts";
import type { NodeId } from "../raft/mod.ts";
import type { ClusterKey } from "./cluster_key.ts";

const magic = 0x7072_6b31;
/** So many that the first message is as long as the header of a frame: a node without a key sees at once that it is none. */
const randomLength = 32;
const proofLength = 32;
const openingLength = 12 + randomLength;
const answerLength = randomLength + proofLength;

export interface HandshakeOptions {
  readonly key: ClusterKey;
  readonly clusterId: Uint8Array;
  readonly self: NodeId;
}

/** What came of the bytes so far: `refused` ends the connection; `rest` is what stood behind the handshake. */
export type HandshakeStep =
  | { readonly kind: "more"; readonly reply: Uint8Array | null }
  | { readonly kind: "done"; readonly reply: Uint8Array | null; readonly peer: NodeId; readonly rest: Uint8Array }
  | { readonly kind: "refused" };

/** The side that connected. */
export class DialerHandshake {
  /** To be sent first. */
  readonly opening: Uint8Array;
  private readonly inbox = new ByteWriter(answerLength);

  constructor(
    private readonly options: HandshakeOptions,
    private readonly peer: NodeId,
  ) {
    const writer = new ByteWriter(openingLength);
    writer.u32(magic);
    writer.u32(options.self);
    writer.u32(peer);
    writer.bytes(randomBytes(randomLength));
    this.opening = writer.take();
  }

  receive(chunk: Uint8Array): HandshakeStep {
    this.inbox.bytes(chunk);
    const bytes = this.inbox.peek();
    if (bytes.length < answerLength) return { kind: "more", reply: null };
    const { key, clusterId } = this.options;
    const transcript = transcriptOf(clusterId, this.opening, bytes.subarray(0, randomLength));
    if (!key.isProof("acceptor", transcript, bytes.subarray(randomLength, answerLength))) return { kind: "refused" };
    const reply = key.proof("dialer", transcript);
    return { kind: "done", reply, peer: this.peer, rest: bytes.slice(answerLength) };
  }
}

/** The side that was connected to. */
export class AcceptorHandshake {
  private readonly inbox = new ByteWriter(openingLength + proofLength);
  private readonly random = new Uint8Array(randomBytes(randomLength));
  private answered = false;

  constructor(private readonly options: HandshakeOptions) {}

  receive(chunk: Uint8Array): HandshakeStep {
    this.inbox.bytes(chunk);
    const bytes = this.inbox.peek();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length >= 4 && view.getUint32(0) !== magic) return { kind: "refused" };
    if (bytes.length < openingLength) return { kind: "more", reply: null };
    if (view.getUint32(8) !== this.options.self) return { kind: "refused" };
    const { key, clusterId } = this.options;
    const transcript = transcriptOf(clusterId, bytes.subarray(0, openingLength), this.random);
    const end = openingLength + proofLength;
    if (bytes.length >= end) {
      const proof = bytes.subarray(openingLength, end);
      if (!this.answered || !key.isProof("dialer", transcript, proof)) return { kind: "refused" };
      return { kind: "done", reply: null, peer: view.getUint32(4), rest: bytes.slice(end) };
    }
    if (this.answered) return { kind: "more", reply: null };
    this.answered = true;
    const answer = new ByteWriter(answerLength);
    answer.bytes(this.random);
    answer.bytes(key.proof("acceptor", transcript));
    return { kind: "more", reply: answer.take() };
  }
}

function transcriptOf(clusterId: Uint8Array, opening: Uint8Array, random: Uint8Array): Uint8Array {
  const writer = new ByteWriter(clusterId.length + openingLength + randomLength);
  writer.bytes(clusterId);
  writer.bytes(opening);
  writer.bytes(random);
  return writer.take();
}
