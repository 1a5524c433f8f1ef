/** UDP on `node:dgram`, for Deno. */
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import { portError } from "./listen_errors.ts";
import type { UdpOptions, UdpSocket } from "./runtime.ts";

export function openDenoUdp({ hostname, port, receive }: UdpOptions): Promise<UdpSocket> {
  const isIpv6 = isIPv6(hostname);
  const socket = createSocket(isIpv6 ? "udp6" : "udp4");
  let isClosed = false;
  /** Datagrams that the system has not taken yet: a socket that is closed would forget them. */
  let leaving = 0;
  const onLeft = (): void => {
    if (--leaving === 0 && isClosed) socket.close();
  };
  const { promise, resolve, reject } = Promise.withResolvers<UdpSocket>();
  socket.on("error", (error) => {
    reject(portError(error, { hostname, port })); // once it is bound: what an earlier datagram met
  });
  socket.on("message", (datagram) => {
    if (isClosed) return;
    try {
      receive(new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length));
    } catch (error) {
      reportError(error); // as uncaught; Deno would make an event of it that is for errors of the socket
    }
  });
  socket.bind({ address: hostname, port, exclusive: true }, () => {
    resolve({
      port: socket.address().port,
      isIpv6,
      send(packets) {
        if (isClosed) return;
        leaving += packets.length;
        for (const { datagram, to } of packets) socket.send(datagram, to.port, to.address, onLeft);
      },
      close() {
        if (isClosed) return;
        isClosed = true;
        if (leaving === 0) socket.close();
      },
    });
  });
  return promise;
}
