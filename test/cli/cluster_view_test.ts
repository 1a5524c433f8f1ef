/** The picture of the cluster: what the nodes say, put together, and how it looks. */
import { describe, expect, test } from "bun:test";
import { clusterView, isAgreed, leaderOf } from "../../cli/cluster_view.ts";
import type { ClusterView, NodeRow } from "../../cli/cluster_view.ts";
import { statusText } from "../../cli/commands/cluster_verbs.ts";
import type { NodeReport } from "../../src/client/node_status.ts";
import { peer, report } from "./reports.ts";

const plain = { paint: (_style: string, text: string): string => text };
const follower = (id: number, more: Partial<NodeReport> = {}): NodeReport =>
  report({ id, role: "follower", term: 8, leader: 3 }, more);
const leader = (more: Partial<NodeReport> = {}): NodeReport =>
  report({ id: 3, role: "leader", term: 8, leader: 3 }, { peers: [peer(1), peer(2)], ...more });

function view(
  reports: readonly NodeReport[],
  silent: readonly { endpoint: string; reason: string }[] = [],
): ClusterView {
  return clusterView({ reports, silent });
}

function row(picture: ClusterView, id: number): NodeRow | undefined {
  return picture.nodes.find((node) => node.id === id);
}

test("a healthy cluster looks as the manual says", () => {
  const behind = peer(2, { match: 990, lag: 52, rtt_ms: 0.42 });
  const picture = view([
    follower(1),
    follower(2, { applied_index: 990 }),
    leader({ peers: [peer(1, { rtt_ms: 0.3 }), behind] }),
  ]);
  expect(statusText(picture, plain)).toBe(
    [
      "CLUSTER demo   term 8   leader 3   quorum 2/3   healthy",
      "NODE  ROLE      SERVICE         MATCH  APPLIED  LAG  RTT    STATE",
      "1     follower  127.0.0.1:5001   1042     1042    0  0.3ms  ok",
      "2     follower  127.0.0.1:5002    990      990   52  0.4ms  catching up",
      "3     leader    127.0.0.1:5003   1042     1042    –  –      ok",
      "",
    ].join("\n"),
  );
});

test("a missing node makes it degraded, and is named", () => {
  const lost = leader({ peers: [peer(1, { active: false, match: 1000, lag: 42 }), peer(2)] });
  const picture = view([follower(2), lost], [{ endpoint: "127.0.0.1:5001", reason: "connection refused" }]);
  expect([picture.health, picture.voters_active, picture.problems]).toEqual([
    "degraded",
    2,
    ["node 1 does not answer at 127.0.0.1:5001: connection refused"],
  ]);
  expect(row(picture, 1)).toEqual({
    id: 1,
    role: null,
    term: null,
    service: "127.0.0.1:5001",
    match: 1000,
    applied: null,
    lag: 42,
    rtt_ms: 0.3,
    state: "unreachable",
    version: null,
  });
  expect(statusText(picture, plain)).toContain("\n! node 1 does not answer at 127.0.0.1:5001: connection refused\n");
});

test("a node that the leader does not hear is cut off, whatever it thinks", () => {
  const alone = report(
    { id: 1, role: "leader", term: 7, leader: 1 },
    { peers: [peer(2, { active: false }), peer(3, { active: false })] },
  );
  const picture = view([alone, follower(2), leader({ peers: [peer(1, { active: false }), peer(2)] })]);
  expect([picture.leader, picture.term, picture.health]).toEqual([3, 8, "degraded"]);
  expect([row(picture, 1)?.role, row(picture, 1)?.state]).toEqual(["leader", "cut_off"]);
  expect(picture.problems).toEqual(["node 1 answers, but the leader does not hear it"]);
});

test("few lacking entries are on their way, many and probing are not", () => {
  const state = (more: Parameters<typeof peer>[1]): string | undefined =>
    row(view([follower(1), follower(2), leader({ peers: [peer(1), peer(2, more)] })]), 2)?.state;
  expect([state({ lag: 10 }), state({ lag: 11 }), state({ state: "probe" })]).toEqual([
    "ok",
    "catching_up",
    "catching_up",
  ]);
});

describe("without a leader", () => {
  const candidate = (id: number): NodeReport => report({ id, role: "candidate", term: 9, leader: null });

  test("there may be a quorum all the same", () => {
    const picture = view([candidate(1), candidate(2)]);
    expect([picture.health, picture.leader, picture.term, picture.voters_active]).toEqual(["no_leader", null, 9, 2]);
    expect(statusText(picture, plain).split("\n")[0]).toBe("CLUSTER demo   term 9   leader –   quorum 2/3   no leader");
    expect([row(picture, 1)?.match, row(picture, 1)?.lag]).toEqual([null, null]);
  });

  test("one of three is no quorum", () => {
    expect(view([candidate(1)]).health).toBe("no_quorum");
  });

  test("nobody at all is unreachable", () => {
    const picture = view([], [{ endpoint: "h:1", reason: "connection refused" }]);
    expect([picture.health, picture.nodes, picture.cluster]).toEqual(["unreachable", [], null]);
  });
});

test("a leader that hears no majority is no quorum", () => {
  const alone = leader({ peers: [peer(1, { active: false }), peer(2, { active: false })] });
  expect(view([follower(1), follower(2), alone]).health).toBe("no_quorum");
});

test("what cannot be true is told", () => {
  const other = report({ id: 1, role: "leader", term: 8, leader: 1 });
  expect(view([other, leader()]).problems[0]).toBe("nodes 1 and 3 both lead in term 8");
  const stranger = follower(1, { cluster_id: "ffff" });
  const picture = view([stranger, follower(2), leader()]);
  expect([picture.health, picture.problems]).toEqual([
    "conflict",
    ["nodes 1 and 2 belong to different clusters", "nodes 1 and 3 belong to different clusters"],
  ]);
});

describe("who leads", () => {
  const old = report({ id: 1, role: "leader", term: 7, leader: 1 });

  test("is the leader of the newest term", () => {
    expect(leaderOf([old, leader()])?.node_id).toBe(3);
    expect(leaderOf([old])?.node_id).toBe(1);
    expect(leaderOf([follower(1)])).toBe(null);
  });

  test("is nobody once a majority has gone on", () => {
    expect(leaderOf([old, follower(2)])?.node_id).toBe(1);
    expect(leaderOf([old, follower(2), report({ id: 3, role: "candidate", term: 8, leader: null })])).toBe(null);
  });

  test("is agreed when a majority says so, itself included", () => {
    expect(isAgreed(leader(), [leader(), follower(2)])).toBe(true);
    expect(isAgreed(leader(), [leader()])).toBe(false);
    expect(isAgreed(leader(), [leader(), follower(1, { leader: null })])).toBe(false);
    expect(isAgreed(leader(), [leader(), follower(1, { term: 7 })])).toBe(false);
  });
});

test("nodes that cannot hear each other because they were started in different ways say so", () => {
  const udp = { kind: "udp", key: null };
  const keyed = { kind: "tcp", key: "0123abcd" };
  const { problems, health } = view([follower(1, { transport: udp }), follower(2, { transport: keyed }), leader()]);
  expect(health).toBe("degraded");
  expect(problems.slice(0, 2)).toEqual([
    "nodes have different transports, and do not hear each other: udp (1), tcp (2, 3); start all with the same --transport",
    "nodes have different cluster keys, and do not hear each other: none (1, 3), 0123abcd (2); give all the same --cluster-key-file",
  ]);
  expect(view([follower(1), follower(2), leader()]).problems).toEqual([]);
});
