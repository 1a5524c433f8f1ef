/** UDP on `Bun.udpSocket`, many datagrams in one system call. */
import { portError } from "./listen_errors.ts";
import type { UdpAddress, UdpOptions, UdpSocket } from "./runtime.ts";

type BunSocket = Bun.udp.Socket<"uint8array">;

export async function openBunUdp(options: UdpOptions): Promise<UdpSocket> {
  const socket = await open(options);
  return {
    port: socket.port,
    isIpv6: socket.address.family === "IPv6",
    send(datagrams, to) {
      if (!socket.closed) sendAll(socket, datagrams, to);
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

/** What the system does not take is lost. */
function sendAll(socket: BunSocket, datagrams: readonly Uint8Array[], { address, port }: UdpAddress): void {
  const packets: (Uint8Array | number | string)[] = [];
  for (const datagram of datagrams) packets.push(datagram, port, address);
  try {
    socket.sendMany(packets);
  } catch {
    // The system tells of an earlier datagram by failing the next one, which then has not left.
    try {
      socket.sendMany(packets);
    } catch {
      return;
    }
  }
}
