/** Rule X4 with real nodes: what a newer program has made never reaches the log of one that cannot apply it. */
import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { entryChecksum } from "../../src/lib/checksum.ts";
import type { Node } from "../../src/node/mod.ts";
import { clusterIdBytes, writeFrame } from "../../src/wire/mod.ts";
import { clusterId, TestCluster } from "./cluster.ts";

/** Brings an entry with `payload` from the leader to `to`, as if the leader ran a newer program. */
function send(cluster: TestCluster, leader: Node, to: Node, payload: Uint8Array): void {
  const { role, term, log } = leader.inspect(0);
  if (role.kind !== "leader") throw new Error("no leader");
  const entry = { index: log.lastIndex + 1, term, kind: "commands", payload } as const;
  const writer = new ByteWriter();
  writeFrame(
    writer,
    {
      kind: "AppendEntries",
      group: 0,
      directory: leader.id,
      from: leader.id,
      to: to.id,
      term,
      previous: log.last,
      entries: [{ ...entry, checksum: entryChecksum(entry) }],
      commitIndex: log.commitIndex,
      session: role.progress.get(to.id)?.session ?? 0,
    },
    clusterIdBytes(clusterId),
  );
  cluster.network.inject(to.id, writer.take());
  cluster.settle();
}

function stateAt(leader: Node, id: number): string | undefined {
  return leader.status(0).peers.find((peer) => peer.id === id)?.state;
}

for (const [what, payload, reason] of [
  ["payload version", [2], "payload version 2, which is not known"],
  ["command", [1, 99, 0, 0, 0, 0, 0], "kind 99, which is not known"],
] as const) {
  test(`X4 an entry with an unknown ${what} is refused before it is written, and said so; the others go on`, () => {
    const cluster = new TestCluster({ nodes: 3 });
    const leader = cluster.leader();
    const old = cluster.follower();
    cluster.put(leader, "a", "1");
    cluster.advance(300);
    const { last_index } = old.status(0);
    expect(last_index).toBe(leader.status(0).last_index);
    send(cluster, leader, old, Uint8Array.from(payload));
    expect(old.status(0).last_index).toBe(last_index);
    expect(old.status(0).unreadable).toBe(`entry ${last_index + 1}: ${reason}`);
    expect(stateAt(leader, old.id)).toBe("unreadable");
    const sent = leader.status(0).transport.messagesSent;
    const put = cluster.put(leader, "a", "2");
    cluster.advance(10 * cluster.limits.heartbeatMs);
    expect(put.end?.kind).toBe("applied");
    // Heartbeats and one entry for the other one, and nothing that is sent again and again.
    expect(leader.status(0).transport.messagesSent - sent).toBeLessThan(40);
    expect([old.status(0).last_index, leader.status(0).role]).toEqual([last_index, "leader"]);
    cluster.crash(old.id);
    cluster.start(old.id); // as another program, which can read it
    const { id } = old;
    cluster.until(() => cluster.node(id).status(0).last_index === leader.status(0).last_index);
    expect([cluster.node(id).status(0).unreadable, stateAt(leader, id)]).toEqual([null, "replicate"]);
  });
}
