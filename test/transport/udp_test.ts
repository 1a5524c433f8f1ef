import { describe, expect, test } from "bun:test";
import { ProaError } from "../../src/lib/errors.ts";
import { openUdp } from "../helpers/runtime.ts";
import { clusterId } from "../wire/sample_messages.ts";
import { collect, transportConformance } from "./conformance.ts";
import { heartbeat, roundOf } from "./frames.ts";
import { until } from "./tcp_world.ts";
import { datagramOf, freeUdpPort, host, throwAt, udpNode } from "./udp_world.ts";

for (const datagramBytes of [16 * 1024, 1200]) {
  transportConformance(`UDP, datagrams of ${datagramBytes} bytes`, async ({ clusterIdOf1 }) => {
    const ports = { 1: await freeUdpPort(), 2: await freeUdpPort() };
    const transports = {
      1: udpNode({ self: 1, port: ports[1], peers: { 2: ports[2] }, clusterId: clusterIdOf1, datagramBytes }),
      2: udpNode({ self: 2, port: ports[2], peers: { 1: ports[1] }, datagramBytes }),
    };
    await transports[1].listen();
    await transports[2].listen();
    if (clusterIdOf1 === clusterId) await until(() => transports[1].connected(2) && transports[2].connected(1));
    return {
      transports,
      until,
      bytesOf: datagramOf,
      inject: (to, bytes) => void throwAt(ports[to], [bytes]),
      close: () => {
        transports[1].close();
        transports[2].close();
      },
    };
  });
}
