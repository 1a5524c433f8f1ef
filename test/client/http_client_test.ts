/** When the client repeats a request, when it never does, and what it says at the end. */
import { describe, expect, test } from "bun:test";
import { HttpClient } from "../../src/client/http_client.ts";
import type { ClientRequest } from "../../src/client/http_client.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { desertedEndpoint, foreignNode, ok, readyNode, refusal, silentServer, withServers } from "./foreign_server.ts";
import type { ForeignServer, Reaction, Received } from "./foreign_server.ts";

function client(endpoints: readonly string[], timeoutMs = 3000): HttpClient {
  return new HttpClient({ endpoints, deadline: performance.now() + timeoutMs, trace: () => undefined });
}

const get: ClientRequest = { method: "GET", path: "/v1/kv?key=a", doing: "get a" };
const put: ClientRequest = { method: "PUT", path: "/v1/kv?key=a", body: "v", doing: "put a" };

async function failure(promise: Promise<unknown>): Promise<ProaError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ProaError) return error;
    throw error;
  }
  throw new Error("it succeeded");
}

/** A node that reacts with one after another, and then with the last one for ever. */
function inTurn(...reactions: readonly Reaction[]): () => Reaction {
  let at = 0;
  return () => reactions[Math.min(at++, reactions.length - 1)] ?? "cut";
}

describe("a read", () => {
  test("goes on to the next endpoint when nobody listens at the first", async () => {
    const nobody = await desertedEndpoint();
    await withServers([foreignNode(() => ok({ x: 1 }))], async (node) => {
      const answer = await client([nobody, node.endpoint]).read(get);
      expect(answer.endpoint).toBe(node.endpoint);
      expect(new TextDecoder().decode(answer.body)).toBe('{"x":1}');
    });
  });

  test("goes on after its share of the time when an endpoint hangs", async () => {
    await withServers([silentServer(), foreignNode(() => ok({}))], async (silent, node) => {
      const startedAt = performance.now();
      const answer = await client([silent.endpoint, node.endpoint], 1000).read(get);
      expect(answer.endpoint).toBe(node.endpoint);
      expect(performance.now() - startedAt).toBeGreaterThan(400);
    });
  });

  test("is repeated when the connection is cut, when a node refuses, and when a node ran out of time", async () => {
    const busy = refusal(503, { code: "OVERLOADED" });
    const late = refusal(504, { code: "OUTCOME_UNKNOWN", applied: "unknown" });
    await withServers([foreignNode(inTurn("cut", busy, late, ok({})))], async (node) => {
      expect((await client([node.endpoint]).read(get)).status).toBe(200);
      expect(node.requests.length).toBe(4);
    });
  });

  test("ends at once with what the server says about the key", async () => {
    const missing = refusal(404, {
      code: "NOT_FOUND",
      exit: 5,
      message: "Cannot get: there is no such key",
      hint: "look",
    });
    await withServers([foreignNode(() => missing)], async (node) => {
      const error = await failure(client([node.endpoint]).read(get));
      expect([error.code, error.exit, error.message, error.hint]).toEqual([
        "NOT_FOUND",
        5,
        "Cannot get: there is no such key",
        "look",
      ]);
      expect(node.requests.length).toBe(1);
    });
  });

  test("ends at the deadline with the refusal and with what everybody said", async () => {
    const nobody = await desertedEndpoint();
    const leaderless = refusal(503, { code: "NO_LEADER", message: "Cannot get: no leader" });
    await withServers([foreignNode(() => leaderless)], async (node) => {
      const error = await failure(client([node.endpoint, nobody], 300).read(get));
      expect([error.code, error.exit, error.applied]).toEqual(["NO_LEADER", 3, "no"]);
      expect(error.tried).toEqual([`${node.endpoint}: Cannot get: no leader`, `${nobody}: connection refused`]);
      expect(node.requests.length).toBeGreaterThan(1);
    });
  });

  test("keeps the reason of a refusal when the last attempts get no answer", async () => {
    const leaderless = refusal(503, { code: "NO_LEADER", message: "Cannot get: no leader" });
    await withServers([foreignNode(inTurn(leaderless, "hang"))], async (node) => {
      const error = await failure(client([node.endpoint], 300).read(get));
      expect(error.code).toBe("NO_LEADER");
      expect(error.tried).toEqual([`${node.endpoint}: Cannot get: no leader`]);
    });
  });

  test("does not wait when nobody listens anywhere", async () => {
    const [one, two] = [await desertedEndpoint(), await desertedEndpoint()];
    const startedAt = performance.now();
    const error = await failure(client([one, two], 20_000).read(get));
    expect([error.code, error.exit]).toEqual(["UNREACHABLE", 3]);
    expect(error.tried).toEqual([`${one}: connection refused`, `${two}: connection refused`]);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  test("does not believe a server that is no node", async () => {
    await withServers([strangerServer(), foreignNode(() => ok({}))], async (stranger, node) => {
      expect((await client([stranger.endpoint, node.endpoint]).read(get)).endpoint).toBe(node.endpoint);
      const error = await failure(client([stranger.endpoint], 200).read(get));
      expect(error.tried).toEqual([`${stranger.endpoint}: not a proa node`]);
    });
  });
});

describe("a write", () => {
  test("goes to a node that is ready, past those that are not, hang, or are gone", async () => {
    const nobody = await desertedEndpoint();
    const unready = foreignNode(() => ({
      status: 503,
      body: JSON.stringify({ ok: false, reasons: ["no leader is known"] }),
    }));
    await withServers([silentServer(), unready, readyNode(() => ok({}))], async (silent, alone, node) => {
      const answer = await client([nobody, silent.endpoint, alone.endpoint, node.endpoint], 4000).write(put);
      expect(answer.endpoint).toBe(node.endpoint);
      expect(alone.requests).toEqual(["GET /readyz"]);
      expect(node.requests).toEqual(["GET /readyz", "PUT /v1/kv?key=a"]);
    });
  });

  test("was not sent when nobody is ready until the deadline", async () => {
    const unready = foreignNode(() => ({
      status: 503,
      body: JSON.stringify({ ok: false, reasons: ["no leader is known"] }),
    }));
    await withServers([unready], async (node) => {
      const error = await failure(client([node.endpoint], 300).write(put));
      expect([error.code, error.exit, error.applied]).toEqual(["NO_LEADER", 3, "no"]);
      expect(error.message).toBe("Cannot put a: no leader is known");
      expect(node.requests.every((request) => request === "GET /readyz")).toBe(true);
    });
  });

  test("is sent again after a refusal that says it was not applied", async () => {
    const reactions = inTurn(refusal(503, { code: "TRANSFERRING" }), ok({}));
    await withServers([readyNode(reactions)], async (node) => {
      expect((await client([node.endpoint]).write(put)).status).toBe(200);
      expect(puts(node.requests)).toBe(2);
    });
  });

  for (const [name, reaction] of [
    ["the connection is cut", "cut"],
    ["no answer comes", "hang"],
    ["the server does not know either", refusal(504, { code: "OUTCOME_UNKNOWN", exit: 4, applied: "unknown" })],
    ["a refusal does not say that nothing was applied", refusal(503, { code: "STOPPING", applied: "unknown" })],
  ] as const) {
    test(`is never sent again when ${name}`, async () => {
      await withServers([readyNode(() => reaction), readyNode(() => ok({}))], async (first, second) => {
        const error = await failure(client([first.endpoint, second.endpoint], 700).write(put));
        expect(error.applied).toBe("unknown");
        if (name !== "a refusal does not say that nothing was applied") expect(error.exit).toBe(4);
        expect([puts(first.requests), puts(second.requests)]).toEqual([1, 0]);
      });
    });
  }

  test("is not repeated by the runtime on a connection that was kept alive", async () => {
    const react = ({ method }: Received): Reaction => (method === "PUT" ? "cut" : ok({}));
    await withServers([readyNode(react)], async (node) => {
      const sameClient = client([node.endpoint]);
      for (let i = 0; i < 3; i++) await sameClient.read(get);
      expect((await failure(sameClient.write(put))).code).toBe("OUTCOME_UNKNOWN");
      expect((await failure(sameClient.write(put))).code).toBe("OUTCOME_UNKNOWN");
      expect(puts(node.requests)).toBe(2);
    });
  });

  test("tells the node how long it may take, within the deadline and the limit of the node", async () => {
    const seen: number[] = [];
    const react = ({ headers }: Received): Reaction => {
      seen.push(Number(headers["x-proa-timeout-ms"]));
      return ok({});
    };
    await withServers([readyNode(react)], async (node) => {
      await client([node.endpoint], 1000).write(put);
      await client([node.endpoint], 3_600_000).write(put);
      expect(seen[0]).toBeGreaterThan(500);
      expect(seen[0]).toBeLessThan(1000);
      expect(seen[1]).toBe(60_000);
    });
  });
});

function puts(requests: readonly string[]): number {
  return requests.filter((request) => request.startsWith("PUT")).length;
}

/** Answers well, and not like a node. */
function strangerServer(): ReturnType<typeof foreignNode> {
  return foreignNode(() => ({ status: 200, body: "hello", headers: { "X-Proa-Node": "" } }));
}

test("a node that has left the cluster is not asked until the deadline, and says who may know more", async () => {
  const gone = (): Promise<ForeignServer> =>
    foreignNode(({ path }) =>
      path === "/readyz"
        ? { status: 503, body: JSON.stringify({ ok: false, reasons: ["it has left"], elsewhere: ["h:1", "h:2"] }) }
        : refusal(503, { code: "REMOVED", message: "Cannot read: it has left", hint: "ask h:1,h:2" }),
    );
  await withServers([gone(), gone()], async (...nodes) => {
    const endpoints = [...nodes.map(({ endpoint }) => endpoint), await desertedEndpoint()];
    const asking = client(endpoints, 60_000);
    const write = await failure(asking.write(put));
    expect([write.code, write.message, write.hint, write.applied]).toEqual([
      "REMOVED",
      "Cannot put a: it has left",
      "ask h:1,h:2",
      "no",
    ]);
    const read = await failure(asking.read(get));
    expect([read.code, read.hint]).toEqual(["REMOVED", "ask h:1,h:2"]);
    expect(nodes.map(({ requests }) => requests.length)).toEqual([4, 4]);
  });
  await withServers([gone(), readyNode(() => ok({ x: 1 }))], async (left, other) => {
    const answer = await client([left.endpoint, other.endpoint]).write(put);
    expect(answer.endpoint).toBe(other.endpoint);
  });
});
