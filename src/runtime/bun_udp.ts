/** UDP on `Bun.udpSocket`, many datagrams in one system call. */
import { portError } from "./listen_errors.ts";
import type { UdpOptions, UdpPacket, UdpSocket } from "./runtime.ts";

type BunSocket = Bun.udp.Socket<"uint8array">;

export async function openBunUdp(options: UdpOptions): Promise<UdpSocket> {
  const socket = await open(options);
  return {
    port: socket.port,
    isIpv6: socket.address.family === "IPv6",
    send(packets) {
      if (!socket.closed) sendAll(socket, packets);
    },
    close() {
      if (!socket.closed) socket.close();
    },
  };
}

async function open({ hostname, port, receive }: UdpOptions): Promise<BunSocket> {
  try {
    return await Bun.udpSocket({
      hostname,
      port,
      binaryType: "uint8array",
      socket: {
        data: (_socket, datagram) => {
          try {
            receive(datagram);
          } catch (error) {
            reportError(error); // as uncaught; Bun would hand it to the function below
          }
        },
        error: () => undefined, // what an earlier datagram met, such as a port where nobody listens
      },
    });
  } catch (error) {
    throw portError(error, { hostname, port });
  }
}

/** What the system has no room for is lost. */
function sendAll(socket: BunSocket, packets: readonly UdpPacket[]): void {
  let rest = packets;
  for (let tries = 0; rest.length > 0 && tries < 3 * packets.length; tries++) {
    const taken = sendMany(socket, rest);
    if (taken === "no room") return;
    rest = rest.slice(taken);
  }
}

/** How many have left: none where the system fails the call to tell what an earlier datagram has met. */
function sendMany(socket: BunSocket, packets: readonly UdpPacket[]): number | "no room" {
  const parts: (Uint8Array | number | string)[] = [];
  for (const { datagram, to } of packets) parts.push(datagram, to.port, to.address);
  try {
    const taken = socket.sendMany(parts);
    return taken === 0 ? "no room" : taken;
  } catch {
    return 0;
  }
}
