/** The port to the JavaScript runtime: what Bun and Deno do differently, and nothing that they share. */

import type { MessagePort, Worker } from "node:worker_threads";

export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  /** The command that runs this very program again, without arguments: the compiled binary, or a runtime and its entry file. */
  readonly self: readonly string[];
  /** Makes this process fit to serve for long. May begin the whole program anew, once, as the same process: call it before anything else. */
  prepareToServe(): void;
  /**
   * Starts `src/storage_thread.ts` with something to begin with, of which `moved` goes over to it; null where that cannot be
   * done, since this program is a single file, or would not be worth it.
   */
  readonly startStorageThread: ((beginning: unknown, moved: readonly MessagePort[]) => Worker) | null;
  /** Opens (and creates) a SQLite database. Throws {@link SqliteError}. */
  openSqlite(path: string): SqliteDatabase;
  /** Listens for HTTP and WebSocket. Throws a `ProaError` with PORT_BUSY when the port is taken. */
  serve(options: ServeOptions): HttpServer;
  /** Opens a UDP port. Rejects with a `ProaError` with PORT_BUSY when the port is taken. */
  openUdp(options: UdpOptions): Promise<UdpSocket>;
}

export interface UdpOptions {
  /** An address, or a name for one, of this machine. */
  readonly hostname: string;
  /** 0 lets the system choose; {@link UdpSocket.port} tells. */
  readonly port: number;
  /** Called for every datagram, whoever sent it. The bytes are the callee's. What it throws is uncaught, and no error of the socket. */
  readonly receive: (datagram: Uint8Array) => void;
}

export interface UdpAddress {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

export interface UdpPacket {
  /** 65,507 bytes at most. */
  readonly datagram: Uint8Array;
  readonly to: UdpAddress;
}

export interface UdpSocket {
  readonly port: number;
  /** Whether it speaks IPv6; then IPv4 addresses have to be written as `::ffff:10.0.0.1`. */
  readonly isIpv6: boolean;
  /** Those that the system does not take are lost. Never throws. */
  send(packets: readonly UdpPacket[]): void;
  close(): void;
}

/** A cell as SQLite keeps it. Blobs are `Uint8Array`; the caller owns what it is given. */
export type SqliteValue = string | number | Uint8Array | null;
export type SqliteRow = Readonly<Record<string, SqliteValue>>;

export interface SqliteDatabase {
  /** Runs statements that return nothing. */
  exec(sql: string): void;
  /** Compiles one statement, to be used many times. */
  prepare(sql: string): SqliteStatement;
  close(): void;
}

export interface SqliteStatement {
  run(...parameters: readonly SqliteValue[]): void;
  /** The first row, or null. */
  get(...parameters: readonly SqliteValue[]): SqliteRow | null;
  all(...parameters: readonly SqliteValue[]): readonly SqliteRow[];
}

/** A failure of SQLite with its symbolic primary code, such as `SQLITE_BUSY` or `SQLITE_IOERR`. */
export class SqliteError extends Error {
  override readonly name = "SqliteError";
  constructor(
    readonly code: string,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

export interface ServeOptions {
  readonly hostname: string;
  /** 0 lets the system choose; {@link HttpServer.port} tells. */
  readonly port: number;
  /**
   * Answers a request. Bodies are not limited here: whoever reads one bounds it, because only it can answer in the form
   * that clients expect. Must not throw: whatever it throws stops the process.
   */
  readonly fetch: (request: Request, upgrade: Upgrade) => Promise<Response>;
  readonly webSocket: WebSocketHandler;
}

/**
 * Makes the connection of the request a WebSocket, with `headers` in the answer, and returns what `fetch` must return;
 * null if the request is no WebSocket handshake.
 */
export type Upgrade = (headers: Readonly<Record<string, string>>) => Response | null;

export interface WebSocketHandler {
  /** The largest message accepted, in bytes; a connection that sends a larger one, or text, is closed (1009, 1003). */
  readonly messageBytesMax: number;
  /** A connection was made: returns who gets its messages. */
  open(socket: ServerWebSocket): WebSocketReceiver;
}

export interface WebSocketReceiver {
  /** The receiver owns `data`. */
  message(data: Uint8Array): void;
  /** Called once; no message follows. */
  close(): void;
}

/** One WebSocket as the server sees it. */
export interface ServerWebSocket {
  /** Copies `data`; does nothing once the connection is closed. */
  send(data: Uint8Array<ArrayBuffer>): void;
  /** Bytes handed to `send` that the peer has not taken yet. */
  readonly bufferedBytes: number;
  close(code: number, reason: string): void;
}

export interface HttpServer {
  readonly port: number;
  /** Stops listening, lets answers that are under way leave for a moment, and closes every connection. */
  stop(): Promise<void>;
}
