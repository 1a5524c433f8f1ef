/** A relay before each node of a cluster, which can break what passes: clients that go there are told of no other way. */
import type { Random } from "../../src/lib/random.ts";
import { CuttingProxy } from "../helpers/cutting_proxy.ts";
import type { RealCluster } from "./cluster.ts";

/** `cutRate`: the share of what nodes send at which the connection breaks instead. */
export async function relaysBefore(
  cluster: RealCluster,
  how: { readonly random: Random; readonly cutRate: number },
): Promise<readonly CuttingProxy[]> {
  const renamed = new Map<string, string>();
  const relays: CuttingProxy[] = [];
  for (const id of cluster.ids) {
    const relay = await CuttingProxy.start({ ...how, target: cluster.portsOf(id).service, renamed });
    const real = cluster.endpoint(id);
    if (real.length !== relay.endpoint.length) throw new Error("the ports differ in length: try again");
    renamed.set(real, relay.endpoint);
    relays.push(relay);
  }
  return relays;
}
