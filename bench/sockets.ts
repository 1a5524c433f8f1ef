/**
 * Bun's own sockets against `node:net`, which the transport uses, on loopback in one run: `bun bench/sockets.ts [rounds]`.
 * One process is both ends, so what a message costs is the processor time of both.
 */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

const pingBytes = 100;
const pings = 20_000;
const bulkBytes = 150_000;
const bulks = 4_000;

/** One connection, of which both ends are ours. */
interface Pair {
  /** Sends from one end; resolves when the other has got all of it. */
  send(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** Counts what arrives, and tells when it is as much as was sent. */
class Arrivals {
  private missing = 0;
  private done: (() => void) | null = null;

  expect(bytes: number): Promise<void> {
    this.missing = bytes;
    return new Promise((resolve) => {
      this.done = resolve;
    });
  }

  add(bytes: number): void {
    this.missing -= bytes;
    if (this.missing === 0) this.done?.();
  }
}

async function nodePair(): Promise<Pair> {
  const arrivals = new Arrivals();
  const server = createServer((socket: Socket) => {
    socket.setNoDelay(true).on("data", (data) => {
      arrivals.add(data.length);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1").setNoDelay(true);
  await new Promise((resolve) => client.once("connect", resolve));
  return {
    send: (bytes) => {
      const arrived = arrivals.expect(bytes.length);
      client.write(bytes);
      return arrived;
    },
    close: () => {
      client.destroy();
      server.close();
    },
  };
}

async function bunPair(): Promise<Pair> {
  const arrivals = new Arrivals();
  let rest: Uint8Array = new Uint8Array(0);
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data: (_socket, data) => {
        arrivals.add(data.length);
      },
    },
  });
  const client = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: {
      data: () => undefined,
      drain: (socket) => {
        rest = rest.subarray(socket.write(rest));
      },
    },
  });
  client.setNoDelay(true);
  return {
    send: (bytes) => {
      const arrived = arrivals.expect(bytes.length);
      rest = bytes.subarray(client.write(bytes));
      return arrived;
    },
    close: () => {
      client.end();
      server.stop(true);
    },
  };
}

async function measure(
  pair: Pair,
  { bytes, count }: { readonly bytes: number; readonly count: number },
): Promise<string> {
  const message = new Uint8Array(bytes).fill(7);
  for (let i = 0; i < count / 4; i++) await pair.send(message);
  const before = process.cpuUsage();
  const startedAt = performance.now();
  for (let i = 0; i < count; i++) await pair.send(message);
  const wallUs = ((performance.now() - startedAt) * 1000) / count;
  const { user, system } = process.cpuUsage(before);
  return `${((user + system) / count).toFixed(1).padStart(8)} µs of processor ${wallUs.toFixed(1).padStart(8)} µs`;
}

const kinds = { "node:net": nodePair, Bun: bunPair };
const loads = {
  "100 B, one after the other": { bytes: pingBytes, count: pings },
  "150 KB, one after the other": { bytes: bulkBytes, count: bulks },
};
for (let round = 1; round <= Number(process.argv[2] ?? 3); round++) {
  for (const [what, load] of Object.entries(loads)) {
    for (const [kind, open] of Object.entries(kinds)) {
      const pair = await open();
      console.log(`round ${round}  ${what.padEnd(28)} ${kind.padEnd(9)} ${await measure(pair, load)}`);
      pair.close();
    }
  }
}
process.exit(0);
