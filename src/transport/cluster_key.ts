/**
 * The secret that all nodes of a cluster share, and what is made of it: never the secret itself, and a key of its own for
 * every purpose. Proves who belongs to the cluster; does not tell its nodes apart.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { assert } from "../lib/assert.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import { datagramHeadBytes, type DatagramHead, type Seal } from "./datagram.ts";

/** The least that a secret may have. Bytes. */
export const secretBytesMin = 32;

const keyBytes = 32;
const tagBytes = 16;
const noTag = new Uint8Array(tagBytes);
const nonceBytes = 12;
/** Keys that are kept, of both ways and of earlier lives; further ones are made again when they are needed. */
const keysMax = 64;

export class ClusterKey {
  /** Tells keys apart without telling them: 8 hexadecimal digits. */
  readonly fingerprint: string;

  /** `secret` has at least {@link secretBytesMin} bytes. */
  constructor(private readonly secret: Uint8Array) {
    assert(secret.length >= secretBytesMin, "a cluster key this short can be guessed");
    this.fingerprint = this.derive("fingerprint", new Uint8Array(0)).toString("hex").slice(0, 8);
  }

  /** What only a holder of the key can say about `transcript` in `role`. 32 bytes. */
  proof(role: "dialer" | "acceptor", transcript: Uint8Array): Uint8Array {
    return new Uint8Array(
      createHmac("sha256", this.derive(role, new Uint8Array(0)))
        .update(transcript)
        .digest(),
    );
  }

  isProof(role: "dialer" | "acceptor", transcript: Uint8Array, proof: Uint8Array): boolean {
    const right = this.proof(role, transcript);
    return right.length === proof.length && timingSafeEqual(right, proof);
  }

  /** The key of all datagrams of one life of a sender to one receiver in one cluster. */
  datagramKey({ from, to, boot }: DatagramHead, clusterId: Uint8Array): Buffer {
    return this.derive(`datagrams ${from} ${to} ${boot}`, clusterId);
  }

  private derive(purpose: string, salt: Uint8Array): Buffer {
    return Buffer.from(hkdfSync("sha256", this.secret, salt, `proa 1 ${purpose}`, keyBytes));
  }
}

/**
 * Encrypts and authenticates datagrams with AES-256-GCM. The key belongs to one life of one sender to one receiver, and
 * there the number of the datagram is the nonce, so that none is ever used twice. The head is authenticated as it stands.
 */
export class KeySeal implements Seal {
  readonly kind = 1;
  readonly tagBytes = tagBytes;
  private readonly keys = new Map<string, Buffer>();

  constructor(
    private readonly clusterKey: ClusterKey,
    private readonly clusterId: Uint8Array,
  ) {}

  close(writer: ByteWriter, head: DatagramHead): Uint8Array<ArrayBuffer> {
    const end = writer.length;
    writer.bytes(noTag);
    const datagram = writer.copied();
    const cipher = createCipheriv("aes-256-gcm", this.keep(head, this.keyOf(head)), nonceOf(head));
    cipher.setAAD(datagram.subarray(0, datagramHeadBytes));
    datagram.set(cipher.update(datagram.subarray(datagramHeadBytes, end)), datagramHeadBytes);
    cipher.final();
    datagram.set(cipher.getAuthTag(), end);
    return datagram;
  }

  open(datagram: Uint8Array, head: DatagramHead): Uint8Array | null {
    const end = datagram.length - tagBytes;
    if (end < datagramHeadBytes) throw new CorruptError("a datagram without a tag");
    const key = this.keyOf(head);
    const decipher = createDecipheriv("aes-256-gcm", key, nonceOf(head));
    decipher.setAAD(datagram.subarray(0, datagramHeadBytes));
    decipher.setAuthTag(datagram.subarray(end));
    const body = decipher.update(datagram.subarray(datagramHeadBytes, end));
    try {
      decipher.final();
    } catch {
      return null; // the tag does not fit: the only thing that can fail here
    }
    this.keep(head, key); // not before: whoever makes up lives would drive out those that there are
    return body;
  }

  private keyOf(head: DatagramHead): Buffer {
    return this.keys.get(lifeOf(head)) ?? this.clusterKey.datagramKey(head, this.clusterId);
  }

  private keep(head: DatagramHead, key: Buffer): Buffer {
    const life = lifeOf(head);
    if (this.keys.has(life)) return key;
    const [oldest] = this.keys.keys();
    if (this.keys.size >= keysMax && oldest !== undefined) this.keys.delete(oldest);
    this.keys.set(life, key);
    return key;
  }
}

function lifeOf({ from, to, boot }: DatagramHead): string {
  return `${from} ${to} ${boot}`;
}

function nonceOf({ number }: DatagramHead): Uint8Array {
  const nonce = new Uint8Array(nonceBytes);
  const view = new DataView(nonce.buffer);
  view.setUint32(4, Math.floor(number / 0x1_0000_0000));
  view.setUint32(8, number >>> 0);
  return nonce;
}
