/** CRC-32 (the polynomial of zlib and Ethernet), the one checksum of frames and log entries. Detects faults, not forgery. */
import { crc32 as zlibCrc32 } from "node:zlib";

/** The CRC-32 of `bytes`, continued from `seed` (the checksum of what came before; 0 to begin). An unsigned 32-bit integer. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}

const head = new Uint8Array(17);
const headView = new DataView(head.buffer);

/**
 * The end-to-end checksum of a log entry, over index, term, kind and payload (rule P12). The leader computes it
 * once; it then travels with the entry through frames and rows and is verified wherever the entry is read back.
 */
export function entryChecksum(entry: { index: number; term: number; kind: string; payload: Uint8Array }): number {
  headView.setFloat64(0, entry.index);
  headView.setFloat64(8, entry.term);
  head[16] = entry.kind.charCodeAt(0);
  return crc32(entry.payload, crc32(head));
}
