/** A relay in front of a port: it breaks connections instead of passing an answer on, as often as it is told, or falls silent. */
import { createServer, connect } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Random } from "../../src/lib/random.ts";

export interface CuttingProxyOptions {
  /** The port of this machine that it stands before. */
  readonly target: number;
  readonly random: Random;
  /** Which share of what the target sends ends the connection instead. */
  readonly cutRate: number;
  /** Text in answers, and what stands there instead, of the same length: so that clients do not learn a way around. */
  readonly renamed?: ReadonlyMap<string, string>;
}

export class CuttingProxy {
  /** What was cut, and what was passed on. */
  cuts = 0;
  passed = 0;
  cutRate: number;
  private silent = false;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly options: CuttingProxyOptions,
  ) {
    this.cutRate = options.cutRate;
    server.on("connection", (socket) => {
      this.relay(socket);
    });
  }

  static async start(options: CuttingProxyOptions): Promise<CuttingProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new CuttingProxy(server, options);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** From now on nothing passes, in neither direction, and nobody is told: as when a cable is cut. */
  fallSilent(): void {
    this.silent = true;
  }

  stop(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private relay(client: Socket): void {
    const target = connect({ host: "127.0.0.1", port: this.options.target, noDelay: true });
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      this.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.sockets.delete(socket);
        if (!this.silent) other.destroy();
      });
    }
    client.on("data", (bytes: Uint8Array) => {
      if (!this.silent) target.write(bytes);
    });
    target.on("data", (bytes: Uint8Array) => {
      if (this.silent) return;
      if (this.options.random.next() < this.cutRate) {
        this.cuts++;
        client.destroy();
        target.destroy();
        return;
      }
      this.passed++;
      client.write(this.rename(bytes));
    });
  }

  private rename(bytes: Uint8Array): Uint8Array {
    const { renamed } = this.options;
    if (renamed === undefined) return bytes;
    let text = Buffer.from(bytes).toString("latin1");
    for (const [from, to] of renamed) text = text.replaceAll(from, to);
    return Buffer.from(text, "latin1");
  }
}
