/**
 * Finds out that the way to a peer swallows large datagrams, and tells nobody: every large one is lost, and what is sent
 * after it arrives. Where all kinds are lost, or a large one ever arrives, it finds nothing.
 */
import { safeDatagramBytes } from "./datagram_limits.ts";
import { isAcknowledged, type Ack } from "./datagram_sections.ts";

/** So many large ones in a row are no chance, where others arrive: not in a minute on a link that loses a third of everything. */
const lostInRow = 12;

export class HoleWatch {
  /** The numbers of large datagrams that were taken for lost since one has arrived; the newest few. */
  private lost: number[] = [];

  onLost({ number, datagramBytes }: { readonly number: number; readonly datagramBytes: number }): void {
    if (datagramBytes <= safeDatagramBytes) return;
    this.lost.push(number);
    if (this.lost.length > lostInRow) this.lost.shift();
  }

  onArrived({ datagramBytes }: { readonly datagramBytes: number }): void {
    if (datagramBytes > safeDatagramBytes) this.lost = [];
  }

  /** Whether there is a hole, as `ack` shows. One that was only late proves that there is none. */
  isFound(ack: Ack): boolean {
    if (this.lost.some((number) => isAcknowledged(ack, number))) this.lost = [];
    return this.lost.length === lostInRow && this.lost.every((number) => number < ack.highest);
  }
}
