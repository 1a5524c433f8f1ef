/** `/v1/members` on real nodes: what it shows, what it changes, and how it says no; and what a node says that has left. */
import { expect, test } from "bun:test";
import { connect, type WatchedRevision } from "../../src/mod.ts";
import { expectFields } from "./expect_fields.ts";
import { errorOf, type ServiceCluster, until, withCluster } from "./service_cluster.ts";
import type { ClusterNode } from "./service_cluster.ts";

function post({ url }: ClusterNode, body: unknown): Promise<Response> {
  return fetch(`${url}/v1/members`, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });
}

async function shown({ url }: ClusterNode): Promise<Readonly<Record<string, unknown>>> {
  return (await (await fetch(`${url}/v1/members`)).json()) as Readonly<Record<string, unknown>>;
}

/** Status, code and hint of a change that is refused. */
async function refusal(node: ClusterNode, body: unknown): Promise<readonly unknown[]> {
  const response = await post(node, body);
  const { code, message, hint, applied } = await errorOf(response);
  expect(applied).toBe("no");
  expect(typeof hint).toBe("string");
  return [response.status, code, message];
}

/** Posts until it is not refused for a reason that passes: on a busy machine nodes that run may seem not to answer. */
async function done(node: ClusterNode, body: unknown): Promise<unknown> {
  for (;;) {
    const response = await post(node, body);
    const answer = await response.text();
    if (response.status !== 503 && !answer.includes("not answer, and without")) return JSON.parse(answer);
  }
}

/** Waits until one of `ids` leads all of them, not one that is on its way out. */
async function leaderAmong(cluster: ServiceCluster, ids: readonly number[]): Promise<ClusterNode> {
  await until(() => ids.some((leader) => ids.every((id) => cluster.at(id).node.view(0).leader === leader)));
  return cluster.leader(ids);
}

/** The one of three nodes that is neither of two. */
function thirdOf(cluster: ServiceCluster, one: ClusterNode, other: ClusterNode): ClusterNode {
  return cluster.at(6 - one.id - other.id);
}

/** A voter that was added, and had to catch up. */
async function grow(cluster: ServiceCluster, id: number): Promise<ClusterNode> {
  const joined = cluster.join(id);
  await done(await cluster.follower(), { add: cluster.serverOf(id) });
  await done(await cluster.leader([1]), { promote: id });
  return joined;
}

test("a node is added, promoted and removed, through whichever node is asked", () =>
  withCluster(2, async (cluster) => {
    const leader = await cluster.leader();
    const follower = await cluster.follower();
    cluster.join(3);
    expect(await done(follower, { add: cluster.serverOf(3) })).toEqual({
      changed: true,
      before: { voters: [1, 2], learners: [] },
      after: { voters: [1, 2], learners: [3] },
    });
    expect(await done(follower, { promote: 3 })).toEqual({
      changed: true,
      before: { voters: [1, 2], learners: [3] },
      after: { voters: [1, 2, 3], learners: [] },
    });
    await cluster.leader([1, 2, 3]);
    for (const node of cluster.nodes) {
      expect(await shown(node)).toEqual({
        leader: leader.id,
        voters: [1, 2, 3],
        outgoing: [],
        learners: [],
        learners_next: [],
        retired: [],
        servers: [1, 2, 3].map((id) => cluster.serverOf(id)),
      });
    }
    expect(await done(follower, { remove: leader.id })).toEqual({
      changed: true,
      before: { voters: [1, 2, 3], learners: [] },
      after: { voters: [1, 2, 3].filter((id) => id !== leader.id), learners: [] },
    });
    const next = await leaderAmong(cluster, [follower.id, 3]);
    expectFields(await shown(next), { retired: [leader.id], leader: next.id });
  }));

test("a plan says what would be, and does nothing", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    const follower = await cluster.follower();
    const before = await shown(leader);
    expect(await done(follower, { remove: leader.id, plan: true })).toEqual({
      changed: false,
      before: { voters: [1, 2, 3], learners: [] },
      after: { voters: [1, 2, 3].filter((id) => id !== leader.id), learners: [] },
    });
    const server = { id: 9, replicate: "h:4009", service: "h:5009" };
    expectFields(await done(leader, { add: server, plan: true }), { after: { voters: [1, 2, 3], learners: [9] } });
    expect(await shown(leader)).toEqual(before);
  }));

test("what cannot be done is refused with a reason and a hint, with --plan and without", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    const gone = await cluster.follower();
    await done(leader, { remove: gone.id });
    const stays = thirdOf(cluster, leader, gone);
    const cannot = "Cannot change the members: ";
    const address = cluster.serverOf(stays.id);
    for (const plan of [true, false]) {
      const refused = (body: object): Promise<readonly unknown[]> => refusal(leader, { ...body, plan });
      expect(await refused({ add: { ...cluster.serverOf(gone.id), id: gone.id } })).toEqual([
        409,
        "MEMBERSHIP_REFUSED",
        `${cannot}node ${gone.id} has left for good`,
      ]);
      expect(await refused({ add: { ...address, id: 7 } })).toEqual([
        409,
        "MEMBERSHIP_REFUSED",
        `${cannot}node ${stays.id} has that address already`,
      ]);
      expect(await refused({ add: { id: stays.id, replicate: "h:1", service: "h:2" } })).toEqual([
        409,
        "MEMBERSHIP_REFUSED",
        `${cannot}node ${stays.id} belongs to the cluster already`,
      ]);
      expect(await refused({ promote: 8 })).toEqual([404, "NOT_FOUND", `${cannot}there is no node 8`]);
      expect(await refused({ remove: 8 })).toEqual([404, "NOT_FOUND", `${cannot}there is no node 8`]);
      expect(await refused({ set: [leader.id, 8] })).toEqual([404, "NOT_FOUND", `${cannot}there is no node 8`]);
      expect(await refused({ promote: stays.id })).toEqual([
        409,
        "MEMBERSHIP_REFUSED",
        `${cannot}they are as they are to be`,
      ]);
    }
  }));

test("a change that would leave no majority of those that answer is refused", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    const silent = await cluster.follower();
    const stays = thirdOf(cluster, leader, silent);
    cluster.isolate(silent.id);
    await until(() => leader.node.status(0).peers.some(({ id, active }) => id === silent.id && !active));
    for (const plan of [true, false]) {
      expect(await refusal(leader, { remove: stays.id, plan })).toEqual([
        409,
        "MEMBERSHIP_REFUSED",
        `Cannot change the members: node ${silent.id} does not answer, and without it there would be no majority`,
      ]);
    }
    expectFields(await shown(leader), { voters: [1, 2, 3] });
    expectFields(await done(leader, { remove: silent.id }), { changed: true }); // the one that is dead can go
    await done(leader, { remove: stays.id });
    expect(await refusal(await cluster.leader([leader.id]), { remove: leader.id })).toEqual([
      409,
      "MEMBERSHIP_REFUSED",
      "Cannot change the members: nobody would vote",
    ]);
  }));

test("a learner that is not up does not become a voter", () =>
  withCluster(1, async (cluster) => {
    const leader = await cluster.leader();
    await done(leader, { add: { id: 2, replicate: "h:1", service: "h:2" } });
    expect(await refusal(leader, { promote: 2 })).toEqual([
      503,
      "NOT_CAUGHT_UP",
      "Cannot change the members: node 2 must be a learner that is up and has caught up before it votes",
    ]);
  }));

test("a body that is no change is refused", () =>
  withCluster(1, async (cluster) => {
    const leader = await cluster.leader();
    const server = { id: 2, replicate: "h:1", service: "h:2" };
    for (const body of [
      "",
      "{",
      "null",
      "[]",
      {},
      { promote: "2" },
      { promote: 0 },
      { remove: 1.5 },
      { set: [] },
      { set: 1 },
      { add: 2 },
      { add: { ...server, replicate: "h" } },
      { add: { ...server, service: "h:1:2" } },
      { add: { ...server, more: 1 } },
      { promote: 2, remove: 3 },
      { remove: 2, plan: "yes" },
    ]) {
      const [status, code] = await refusal(leader, body);
      expect([body, status, code]).toEqual([body, 400, "INVALID_REQUEST"]);
    }
    expect((await post(leader, "x".repeat(70_000))).status).toBe(413);
    expect((await fetch(`${leader.url}/v1/members?plan=true`)).status).toBe(400);
    expect((await fetch(`${leader.url}/v1/members`, { method: "DELETE" })).headers.get("allow")).toBe(
      "GET, POST, HEAD",
    );
    expectFields(await shown(leader), { voters: [1], learners: [] });
  }));

test("M11 a node that has left says so to whoever asks, at once, and where the others are", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    const gone = await cluster.follower();
    const others = cluster.nodes.filter((node) => node !== gone).map(({ id }) => cluster.serverOf(id).service);
    const watch = await fetch(`${gone.url}/v1/watch?from=2`);
    await done(leader, { remove: gone.id });
    await until(() => gone.node.view(0).removed);
    const said = await watch.text(); // it ends: otherwise whoever watches would see nothing new for ever
    expect(said).toContain("event: error");
    expect(said).toContain('"code":"REMOVED"');
    const key = `${gone.url}/v1/kv/k`;
    const patient = { "X-Proa-Timeout-Ms": "60000" }; // longer than a test may take
    for (const response of [
      await fetch(key, { method: "PUT", body: "v", headers: patient }),
      await fetch(key, { headers: patient }),
      await fetch(`${gone.url}/v1/members`),
      await post(gone, { remove: 1 }),
      await fetch(`${gone.url}/v1/leader/transfer`, { method: "POST", headers: patient }),
      await fetch(`${gone.url}/v1/watch?from=2`),
    ]) {
      expect(response.status).toBe(503);
      expectFields(await errorOf(response), { code: "REMOVED", exit: 3, applied: "no", hint: `ask ${others.join()}` });
    }
    const ready = await fetch(`${gone.url}/readyz`);
    expect(await ready.json()).toEqual({
      ok: false,
      reasons: ["this node has left the cluster for good"],
      elsewhere: others,
    });
    expect((await fetch(`${key}?consistency=stale`)).status).toBe(404); // what it had applied it may still show
  }));

test("M11 a program whose only endpoint has left finds the others through it", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    const gone = await cluster.follower();
    using client = connect({ endpoints: [`127.0.0.1:${gone.service.port}`], timeoutMs: 20_000 });
    await client.put("before", "1");
    const seen: WatchedRevision[] = [];
    const watching = (async () => {
      for await (const revision of client.watch({}, { from: 2 })) if (seen.push(revision) === 2) return;
    })();
    await until(() => seen.length === 1);
    await done(leader, { remove: gone.id });
    await until(() => gone.node.view(0).removed);
    await client.put("after", "2");
    await watching;
    expect(seen.map(({ revision }) => revision)).toEqual([2, 3]);
    expect((await client.get("after"))?.text).toBe("2");
  }));

test("four nodes take the place of two, one after the other", () =>
  withCluster(2, async (cluster) => {
    await cluster.leader();
    await grow(cluster, 3);
    const last = await grow(cluster, 4);
    expectFields(await done(last, { set: [3, 4] }), { after: { voters: [3, 4], learners: [] } });
    await leaderAmong(cluster, [3, 4]);
    expectFields(await shown(last), { voters: [3, 4], retired: [1, 2] });
  }));
