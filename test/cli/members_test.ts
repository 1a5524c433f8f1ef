/** The verbs that change members, before a node that is not ours: what they send, what they print, and how they end. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { foreignNode, ok, readyNode, refusal, withServers } from "../client/foreign_server.ts";
import type { ForeignServer, Received } from "../client/foreign_server.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { jsonError, jsonObject, proa } from "./proa.ts";
import { report } from "./reports.ts";

const servers = [1, 2, 3, 4].map((id) => ({ id, replicate: `h:400${id}`, service: `h:500${id}` }));
const members = { leader: 2, voters: [1, 2, 3], outgoing: [], learners: [4], learners_next: [], retired: [9], servers };
const before = { voters: [1, 2, 3], learners: [] };

/** A node of the cluster above that answers changes as `react` says; `sent` holds their bodies. */
function clusterNode(sent: unknown[], react: (body: Readonly<Record<string, unknown>>) => ReturnType<typeof ok>) {
  return readyNode(({ method, body }: Received) => {
    if (method === "GET") return ok(members);
    const text = new TextDecoder().decode(body);
    sent.push(JSON.parse(text));
    return react(jsonObject(text));
  });
}

function changed(changed: boolean, after: object): ReturnType<typeof ok> {
  return ok({ changed, before, after });
}

test("members shows a line for each node, or all of it in JSON", () =>
  withServers([clusterNode([], () => ok({}))], async ({ endpoint }) => {
    const { status, stdout } = await proa(["cluster", "members", "-e", endpoint]);
    expect(status).toBe(0);
    expect(stdout.split("\n").map((line) => line.trimEnd())).toEqual([
      "NODE  ROLE     REPLICATE  SERVICE",
      "1     voter    h:4001     h:5001",
      "2     voter    h:4002     h:5002   leader",
      "3     voter    h:4003     h:5003",
      "4     learner  h:4004     h:5004",
      "",
    ]);
    expect(jsonObject((await proa(["cluster", "members", "--json", "-e", endpoint])).stdout)).toEqual(members);
  }));

test("a plan shows voters and quorum before and after, and asks for nothing else", async () => {
  const sent: unknown[] = [];
  const node = clusterNode(sent, () => changed(false, { voters: [1, 2], learners: [] }));
  await withServers([node], async ({ endpoint }) => {
    for (const words of [
      ["remove", "3"],
      ["promote", "4"],
      ["set", "1,2"],
      ["add", "5", "h:4005"],
    ]) {
      const { status, stdout } = await proa(["cluster", ...words, "--plan", "-e", endpoint]);
      expect([words[0], status, stdout]).toEqual([
        words[0],
        0,
        "would change   voters 1,2,3 → 1,2   quorum 2/3 → 2/2\n",
      ]);
    }
    const json = await proa(["cluster", "remove", "3", "--plan", "--json", "-e", endpoint]);
    expect(jsonObject(json.stdout)).toEqual({ changed: false, before, after: { voters: [1, 2], learners: [] } });
  });
  expect(sent).toEqual([
    { remove: 3, plan: true },
    { promote: 4, plan: true },
    { set: [1, 2], plan: true },
    { add: { id: 5, replicate: "h:4005", service: "h:5005" }, plan: true },
    { remove: 3, plan: true },
  ]);
});

test("add adds and promotes; --learner stops before that; a learner that is there already is only promoted", async () => {
  const sent: unknown[] = [];
  const node = clusterNode(sent, (body) =>
    changed(true, "add" in body ? { voters: [1, 2, 3], learners: [5] } : { voters: [1, 2, 3, 5], learners: [] }),
  );
  await withServers([node], async ({ endpoint }) => {
    const both = await proa(["cluster", "add", "5", "h:4005", "h:80", "-e", endpoint]);
    expect([both.status, both.stdout]).toEqual([0, "node 5 votes   voters 1,2,3 → 1,2,3,5   quorum 2/3 → 3/4\n"]);
    const learner = await proa(["cluster", "add", "5", "h:4005", "--learner", "-e", endpoint]);
    expect([learner.status, learner.stdout]).toEqual([0, "node 5 added as a learner\n"]);
    const again = await proa(["cluster", "add", "4", "h:4004", "--learner", "-e", endpoint]);
    expect([again.status, again.stdout]).toEqual([0, "node 4 is a learner already\n"]);
    expect((await proa(["cluster", "add", "4", "h:4004", "-q", "-e", endpoint])).stdout).toBe("");
  });
  expect(sent).toEqual([
    { add: { id: 5, replicate: "h:4005", service: "h:80" }, plan: false },
    { promote: 5 },
    { add: { id: 5, replicate: "h:4005", service: "h:5005" }, plan: false },
    { promote: 4 },
  ]);
});

test("a node that has not caught up in time is told how to be started, and that it was added", async () => {
  const node = clusterNode([], (body) =>
    "add" in body
      ? changed(true, { voters: [1, 2, 3], learners: [5] })
      : refusal(503, { code: "NOT_CAUGHT_UP", message: "Cannot change the members: node 5 must catch up" }),
  );
  await withServers([node], async ({ endpoint }) => {
    const { status, stderr } = await proa([
      "cluster",
      "add",
      "5",
      "h:4005",
      "--timeout",
      "2s",
      "--json",
      "-e",
      endpoint,
    ]);
    expect(status).toBe(3);
    const error = jsonError(stderr);
    expect([error["code"], error["applied"]]).toEqual(["NOT_CAUGHT_UP", "yes"]);
    expect(error["hint"]).toContain("proa node start --id 5 --join ENDPOINTS --data DIR");
    expect(error["hint"]).toContain("proa cluster promote 5");
  });
});

test("what the cluster refuses ends with the exit status of its code", async () => {
  const codes = { MEMBERSHIP_REFUSED: [409, 3], NOT_FOUND: [404, 5] } as const;
  for (const [code, [httpStatus, exit]] of Object.entries(codes)) {
    const node = clusterNode([], () => refusal(httpStatus, { code, exit, message: "Cannot: no", hint: "do this" }));
    await withServers([node], async ({ endpoint }) => {
      const { status, stderr } = await proa(["cluster", "remove", "3", "-e", endpoint]);
      expect([code, status, stderr]).toEqual([code, exit, "proa: error: Cannot: no\nhint: do this\n"]);
    });
  }
});

test("a change that was sent and not answered is not repeated", async () => {
  let posts = 0;
  const node: Promise<ForeignServer> = readyNode(({ method }) =>
    method === "POST" && ++posts > 0 ? "cut" : ok(members),
  );
  await withServers([node], async ({ endpoint }) => {
    const { status, stderr } = await proa(["cluster", "remove", "3", "--json", "-e", endpoint]);
    expect([status, jsonError(stderr)["applied"], posts]).toEqual([4, "unknown", 1]);
  });
});

test("a node that has left does not keep anybody waiting", async () => {
  const body = JSON.stringify({ ok: false, reasons: ["this node has left"], elsewhere: ["h:5002"] });
  await withServers([foreignNode(() => ({ status: 503, body }))], async ({ endpoint }) => {
    const { status, stderr } = await proa(["kv", "put", "a", "1", "--timeout", "10m", "-e", endpoint]);
    expect(status).toBe(3);
    expect(stderr).toContain("Cannot put a: this node has left");
    expect(stderr).toContain("hint: ask h:5002\n");
  });
});

test("wait members returns when exactly those vote and no change is under way, and ends with 124 otherwise", async () => {
  const leading = { id: 2, role: "leader", term: 8, leader: 2 };
  const nodeWith = (outgoing: readonly number[]): Promise<ForeignServer> =>
    foreignNode(() => ok(report(leading, { members: { voters: [1, 2, 3], outgoing, learners: [4] }, servers: [] })));
  await withServers([nodeWith([]), nodeWith([5])], async (settled, changing) => {
    const waiting = (ids: string, endpoint: string) =>
      proa(["wait", "members", ids, "--timeout", "500ms", "-e", endpoint]);
    const [done, other, busy, wrong] = await Promise.all([
      waiting("3,1,2", settled.endpoint),
      waiting("1,2", settled.endpoint),
      waiting("1,2,3", changing.endpoint),
      waiting("1,1", settled.endpoint),
    ]);
    expect([done.status, done.stdout]).toEqual([0, "voters 1,2,3\n"]);
    expect([other.status, busy.status, wrong.status]).toEqual([124, 124, 2]);
    expect(busy.stderr).toContain("node 2 leads 1,2,3, leaving 5");
  });
});

test("who votes and who learns in a new cluster must fit the server list", () =>
  inTempDirectory(async (directory) => {
    const data = join(directory, "n1");
    const list = "1,127.0.0.1:4001;2,127.0.0.1:4002;3,127.0.0.1:4003";
    const wrong: readonly (readonly [args: readonly string[], says: string])[] = [
      [["--members", "1,2,9"], "the server list does not name 9"],
      [["--observers", "9"], "the server list does not name 9"],
      [["--members", "1,2,3", "--observers", "3"], "3 is in both"],
      [["--members", "1,2"], "3 is in neither"],
      [["--observers", "1,2,3"], "nobody votes"],
    ];
    const start = ["node", "start", "--id", "1", "--servers", list, "--data", data];
    const ends = await Promise.all(wrong.map(([args]) => proa([...start, ...args])));
    for (const [at, { status, stderr }] of ends.entries()) {
      const says = wrong[at]?.[1] ?? "";
      expect([status, stderr.includes(says) ? says : stderr]).toEqual([2, says]);
      expect(stderr).toContain("\nhint: ");
    }
    expect(existsSync(data)).toBe(false);
  }));

test("wrong arguments are refused before anybody is asked", async () => {
  await withServers([foreignNode(() => ok({}))], async ({ endpoint, requests }) => {
    const wrong: readonly (readonly [args: readonly string[], says: string])[] = [
      [["add", "4"], "address"],
      [["add", "0", "h:4004"], "expected an integer from 1"],
      [["add", "4", "h"], "h"],
      [["add", "4", "h:99999"], "99999"],
      [["add", "4", "h:4004", "h:5004", "more"], "more"],
      [["promote", "1,2"], "expected an integer from 1"],
      [["remove", "1", "--learner"], "--learner"],
      [["set", "1,1"], "expected each node id once"],
      [["set", "1,,2"], "expected an integer from 1"],
      [["set", "--plan"], "--plan goes with ids"],
    ];
    const ends = await Promise.all(wrong.map(([args]) => proa(["cluster", ...args, "-e", endpoint])));
    for (const [at, { status, stdout, stderr }] of ends.entries()) {
      const [args, says] = wrong[at] ?? [[], ""];
      expect([args, status, stdout, stderr.includes(says) ? says : stderr]).toEqual([args, 2, "", says]);
      expect(stderr).toContain("hint: ");
    }
    expect(requests).toEqual([]);
  });
});
