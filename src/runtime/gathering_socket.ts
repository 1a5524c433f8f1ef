/**
 * A WebSocket of Bun that sends what it is given in one turn together: a call of the system for each of many small answers
 * costs three times as much as one for all of them.
 */
import { ByteWriter } from "../lib/byte_writer.ts";
import type { ServerWebSocket } from "./runtime.ts";

/** What is larger leaves by itself, without a copy. Bytes. */
const gatheredBytesMax = 16 * 1024;

/** What is used of Bun's socket. */
type Socket = Pick<Bun.ServerWebSocket<unknown>, "sendBinary" | "cork" | "getBufferedAmount" | "close">;

export class GatheringSocket implements ServerWebSocket {
  /** Messages that leave at the end of the turn, one behind the other. */
  private readonly gathered = new ByteWriter(256);
  /** Where each of them ends. */
  private ends: number[] = [];

  constructor(private readonly socket: Socket) {}

  send(data: Uint8Array<ArrayBuffer>): void {
    if (data.length > gatheredBytesMax) {
      this.flush(); // in order
      this.socket.sendBinary(data, false);
      return;
    }
    if (this.ends.length === 0) queueMicrotask(this.flush);
    this.gathered.bytes(data);
    this.ends.push(this.gathered.length);
  }

  get bufferedBytes(): number {
    return this.socket.getBufferedAmount() + this.gathered.length;
  }

  close(code: number, reason: string): void {
    this.flush();
    this.socket.close(code, reason);
  }

  private readonly flush = (): void => {
    const { ends, gathered, socket } = this;
    if (ends.length === 0) return;
    if (ends.length === 1) socket.sendBinary(gathered.peek(), false);
    else socket.cork(() => this.sendAll());
    this.ends = [];
    gathered.reset();
  };

  private sendAll(): void {
    const messages = this.gathered.peek();
    let start = 0;
    for (const end of this.ends) {
      this.socket.sendBinary(messages.subarray(start, end), false);
      start = end;
    }
  }
}
