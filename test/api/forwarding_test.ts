/** A follower hands a write to a leader that answers in every way that a network allows. Nothing may run twice. */
import { expect, test } from "bun:test";
import { ProaError } from "../../src/lib/errors.ts";
import { expectFields } from "./expect_fields.ts";
import { errorOf, withCluster } from "./service_cluster.ts";
import type { ServiceCluster } from "./service_cluster.ts";
import { answerOk, answerWith, StubServer } from "./stub_server.ts";
import type { Behaviour } from "./stub_server.ts";

interface Scene {
  readonly stub: StubServer;
  /** Undoes the redirection: from the next connection on the leader is reached. */
  readonly restore: () => void;
  readonly put: (timeoutMs: number) => Promise<Response>;
}

/** A cluster whose followers reach `behaviour` where they expect the leader. */
function withStub(behaviour: Behaviour, use: (scene: Scene) => Promise<void>): Promise<void> {
  return withCluster(3, async (cluster: ServiceCluster) => {
    const leader = await cluster.leader();
    const { url } = await cluster.follower();
    const stub = new StubServer(behaviour);
    const restore = cluster.redirect(leader.id, stub.endpoint);
    const put = (timeoutMs: number): Promise<Response> =>
      fetch(`${url}/v1/kv/k`, { method: "PUT", body: "v", headers: { "X-Proa-Timeout-Ms": String(timeoutMs) } });
    try {
      await use({ stub, restore, put });
      if (stub.requests.length > 0) expect(stub.requests[0]?.hops).toBe(1);
    } finally {
      await stub.server.stop();
    }
  });
}

function error(
  code: "NOT_LEADER" | "TRANSFERRING" | "TOO_MANY_HOPS" | "STOPPING" | "OVERLOADED" | "OUTCOME_UNKNOWN",
): ProaError {
  return new ProaError(code, `Cannot write: ${code}`);
}

test("a connection that breaks after the write was sent leaves it unknown, and it is not sent again", () =>
  withStub(
    (socket) => {
      socket.close(1011, "broken");
    },
    async ({ stub, put }) => {
      const answer = await put(5000);
      expect(answer.status).toBe(504);
      const { message } = await errorOf(answer);
      expect(message).toMatch(
        /^Cannot confirm the write: the leader, node \d, was asked and did not answer \(the connection was closed: broken\)$/,
      );
      expect(stub.requests.length).toBe(1);
    },
  ));

test("a leader that does not answer leaves it unknown, before the client gives up", () =>
  withStub(
    () => undefined,
    async ({ stub, put }) => {
      const answer = await put(400);
      expectFields(await errorOf(answer), { code: "OUTCOME_UNKNOWN", applied: "unknown" });
      expect(stub.requests.length).toBe(1);
      expect(stub.requests[0]?.timeoutMs).toBeLessThan(361); // a tenth of the time stays here
    },
  ));

test("an unknown outcome and a refusal for good are handed back, and not tried again", async () => {
  for (const code of ["OUTCOME_UNKNOWN", "OVERLOADED"] as const) {
    await withStub(
      (socket, asked) => {
        answerWith(socket, asked, code === "OVERLOADED" ? "notApplied" : "unknown", error(code));
      },
      async ({ stub, put }) => {
        const answer = await put(5000);
        expectFields(await errorOf(answer), { code, message: `Cannot write: ${code}` });
        expect(stub.requests.length).toBe(1);
      },
    );
  }
});

test("an answer that says both unknown and not applied is taken for unknown", () =>
  withStub(
    (socket, asked) => {
      answerWith(socket, asked, "unknown", error("NOT_LEADER"));
    },
    async ({ stub, put }) => {
      expectFields(await errorOf(await put(5000)), { code: "OUTCOME_UNKNOWN", applied: "unknown" });
      expect(stub.requests.length).toBe(1);
    },
  ));

test("results that are damaged leave it unknown", () =>
  withStub(
    (socket, asked) => {
      answerOk(socket, { ...asked, body: new Uint8Array(21).fill(0xff) });
    },
    async ({ stub, put }) => {
      expectFields(await errorOf(await put(5000)), { code: "OUTCOME_UNKNOWN" });
      expect(stub.requests.length).toBe(1);
    },
  ));

test("a leader that cannot be reached is tried until the time is up, and nothing was applied", () =>
  withStub(
    () => undefined,
    async ({ stub, restore, put }) => {
      await stub.server.stop();
      const refused = await put(300);
      expect(refused.status).toBe(503);
      const { code, applied, message } = await errorOf(refused);
      expect([code, applied]).toEqual(["NO_LEADER", "no"]);
      expect(message).toMatch(/^Cannot write: the leader, node \d, could not be reached within 300 ms/);
      restore();
    },
  ));

test("a write that was definitely refused is tried again until somebody leads", async () => {
  for (const code of ["NOT_LEADER", "TRANSFERRING", "TOO_MANY_HOPS", "STOPPING"] as const) {
    let refusals = 0;
    await withStub(
      (socket, asked) => {
        if (++refusals < 3) answerWith(socket, asked, "notApplied", error(code));
        else answerOk(socket, { ...asked, body: new Uint8Array(21) });
      },
      async ({ stub, put }) => {
        expect((await put(5000)).status).toBe(200);
        expect(stub.requests.length).toBe(3);
      },
    );
  }
});

test("a write that is always refused ends as not applied", () =>
  withStub(
    (socket, asked) => {
      answerWith(socket, asked, "notApplied", error("TRANSFERRING"));
    },
    async ({ put }) => {
      const answer = await put(300);
      expect(answer.status).toBe(503);
      expectFields(await errorOf(answer), { code: "TRANSFERRING", applied: "no" });
    },
  ));

test("a write that is handed round in a circle goes on when the circle is broken, and runs once", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    const follower = await cluster.follower();
    const restore = cluster.redirect(leader.id, `127.0.0.1:${follower.service.port}`); // it takes itself for the leader's address
    const put = (timeoutMs: number): Promise<Response> =>
      fetch(`${follower.url}/v1/kv/k`, {
        method: "PUT",
        body: "v",
        headers: { "X-Proa-Timeout-Ms": String(timeoutMs) },
      });
    const refused = await put(300);
    expect(refused.status).toBe(503);
    expectFields(await errorOf(refused), { code: "NO_LEADER", applied: "no" });
    const waiting = put(5000);
    restore();
    expect((await waiting).status).toBe(200);
    const read = await fetch(`${leader.url}/v1/kv/k`);
    expect(read.headers.get("x-proa-version")).toBe("1");
  }));
