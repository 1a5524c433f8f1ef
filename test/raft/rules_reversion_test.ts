/** The part of rule P13 that a leader can see by itself: a follower whose disk lost what it had acknowledged. */
import { expect, test } from "bun:test";
import { Cluster, testLimits } from "./harness.ts";
import { Solo } from "./solo.ts";

/** Node 1 leads, and node 2 has acknowledged all of `entries` entries in its first life. */
function acknowledged(entries: number): Solo {
  const solo = new Solo({ voters: 3 });
  solo.lead();
  for (let i = 1; i < entries; i++) solo.input((raft) => raft.propose(new Uint8Array(1)));
  solo.acknowledge(2, entries);
  solo.take();
  return solo;
}

function sessionOf(solo: Solo): number {
  const { role } = solo.raft.view;
  return role.kind === "leader" ? (role.progress.get(2)?.session ?? 0) : 0;
}

/** Node 2 answers in life `boot` that its log ends with `last`. */
function refuse(
  solo: Solo,
  { boot, previousIndex, last }: { boot: number; previousIndex: number; last: number },
): void {
  solo.step({
    kind: "AppendEntriesResponse",
    ...solo.from(2, solo.raft.view.term),
    session: sessionOf(solo),
    boot,
    outcome: { kind: "rejected", previousIndex, hint: { index: last, term: last === 0 ? 0 : 1 } },
  });
}

test("P13 a follower that comes back with less than it acknowledged is not counted any more", () => {
  for (const last of [0, 3]) {
    const solo = acknowledged(5);
    expect(solo.raft.view.log.commitIndex).toBe(5);
    refuse(solo, { boot: 2, previousIndex: 5, last }); // its first word in the new life: only the life counts
    refuse(solo, { boot: 2, previousIndex: 5, last });
    solo.input((raft) => raft.propose(new Uint8Array(1)));
    solo.step({
      kind: "AppendEntriesResponse",
      ...solo.from(2, 1),
      session: sessionOf(solo),
      boot: 2,
      outcome: { kind: "accepted", matchIndex: 6 },
    });
    expect(solo.raft.view.log.commitIndex).toBe(5); // alone the leader is no majority
    expect(
      solo
        .take()
        .filter((message) => message.kind === "AppendEntries" && message.to === 2 && message.entries.length > 0),
    ).toEqual([]);
    for (let i = 0; i < 30; i++) {
      solo.tick(testLimits.heartbeatMs);
      const { role, term } = solo.raft.view;
      if (role.kind !== "leader") break;
      const { round } = role;
      const answer = {
        kind: "HeartbeatResponse",
        ...solo.from(2, term),
        session: sessionOf(solo),
        boot: 2,
        round,
      } as const;
      solo.step(answer); // its answers keep nobody in office
    }
    expect(solo.raft.view.role.kind).toBe("follower");
  }
});

test("P13 a follower that was only restarted, or has more than it acknowledged, is counted again", () => {
  const solo = acknowledged(5);
  solo.input((raft) => raft.propose(new Uint8Array(1)));
  refuse(solo, { boot: 2, previousIndex: 6, last: 5 });
  refuse(solo, { boot: 2, previousIndex: 6, last: 5 });
  solo.step({
    kind: "AppendEntriesResponse",
    ...solo.from(2, 1),
    session: sessionOf(solo),
    boot: 2,
    outcome: { kind: "accepted", matchIndex: 6 },
  });
  expect(solo.raft.view.log.commitIndex).toBe(6);
});

test("P13 restarts of honest nodes are never taken for a loss", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new Cluster({ voters: 3, seed });
    cluster.elect(1);
    for (let i = 0; i < 30; i++) {
      cluster.propose(1, `${i}`);
      if (i % 3 === seed % 3) cluster.deliver();
      if (i % 5 === 0) cluster.restart(2 + (i % 2));
      cluster.run(20);
    }
    cluster.run(1000);
    expect([2, 3].map((id) => cluster.progress(1, id).hasReverted)).toEqual([false, false]);
    expect([2, 3].map((id) => cluster.progress(1, id).matchIndex)).toEqual([31, 31]);
  }
});
