/** How failures of requests are told apart: by the words of each runtime, and by what this runtime really throws. */
import { expect, test } from "bun:test";
import { classifyFetchFailure } from "../../src/client/fetch_failure.ts";
import { exchange } from "../../src/client/http_exchange.ts";
import { desertedEndpoint, foreignNode, ok, silentServer, withServers } from "./foreign_server.ts";
import type { Reaction, Received } from "./foreign_server.ts";

function bunError(code: string): Error {
  return Object.assign(new TypeError(`${code}: Unable to connect`), { code });
}

/** What `node:http` throws, which is used on Deno. */
function nodeError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

const cases: readonly (readonly [name: string, error: unknown, sent: "no" | "maybe", reason: string])[] = [
  ["Bun: refused", bunError("ECONNREFUSED"), "no", "connection refused"],
  ["Bun: no such host", bunError("ENOTFOUND"), "no", "host not found"],
  ["Bun: reset", bunError("ECONNRESET"), "maybe", "connection lost"],
  [
    "Bun: route lost, perhaps after sending",
    bunError("EHOSTUNREACH"),
    "maybe",
    "connection failed: EHOSTUNREACH: Unable to connect",
  ],
  ["Deno: refused", nodeError("ECONNREFUSED", "connect ECONNREFUSED ::1:1"), "no", "connection refused"],
  ["Deno: no such host", nodeError("ENOTFOUND", "getaddrinfo ENOTFOUND h"), "no", "host not found"],
  ["Deno: closed", nodeError("ECONNRESET", "socket hang up"), "maybe", "connection lost"],
  ["Deno: cut within the answer", nodeError("ECONNRESET", "aborted"), "maybe", "connection lost"],
  ["timeout", Object.assign(new Error("timed out"), { name: "TimeoutError" }), "maybe", "no answer"],
  ["abort", Object.assign(new Error("aborted"), { name: "AbortError" }), "maybe", "no answer"],
  ["something else", "odd", "maybe", "odd"],
];

for (const [name, error, sent, reason] of cases) {
  test(name, () => {
    expect(classifyFetchFailure(error)).toEqual({ sent, reason });
  });
}

const request = { method: "PUT", path: "/", body: "x" } as const;
const limits = { beginWithinMs: 300, endWithinMs: 2000 };

test("this runtime: nobody listens", async () => {
  const result = await exchange(await desertedEndpoint(), request, limits);
  expect(result).toEqual({ kind: "failed", sent: "no", reason: "connection refused" });
});

test("this runtime: the connection is cut", async () => {
  await withServers([foreignNode(() => "cut")], async (node) => {
    expect(await exchange(node.endpoint, request, limits)).toEqual({
      kind: "failed",
      sent: "maybe",
      reason: "connection lost",
    });
  });
});

test("this runtime: no answer", async () => {
  await withServers([silentServer()], async (server) => {
    expect(await exchange(server.endpoint, request, limits)).toEqual({
      kind: "failed",
      sent: "maybe",
      reason: "no answer",
    });
  });
});

test("this runtime: the answer stops in the middle", async () => {
  const half = foreignNode(() => ({ status: 200, headers: { "Content-Length": "100" }, body: "half" }));
  await withServers([half], async (server) => {
    const result = await exchange(server.endpoint, request, { beginWithinMs: 300, endWithinMs: 600 });
    expect([result.kind, result.kind === "failed" && result.sent]).toEqual(["failed", "maybe"]);
  });
});

test("this runtime: an answer", async () => {
  await withServers([foreignNode(() => ok({}))], async (server) => {
    expect((await exchange(server.endpoint, request, limits)).kind).toBe("answered");
  });
});

test("this runtime: a port that browsers do not use", async () => {
  expect(await exchange("127.0.0.1:1", request, limits)).toEqual({
    kind: "failed",
    sent: "no",
    reason: "connection refused",
  });
});

test("this runtime: a large answer, piece by piece, and one without a body", async () => {
  const large = "x".repeat(3_000_000);
  const react = ({ method }: Received): Reaction => (method === "GET" ? ok(large) : { status: 204 });
  await withServers([foreignNode(react)], async (server) => {
    let taken = 0;
    const take = async (body: ReadableStream<Uint8Array>): Promise<void> => {
      for await (const piece of body) taken += piece.length;
    };
    const whole = await exchange(
      server.endpoint,
      { method: "GET", path: "/", take },
      { ...limits, endWithinMs: 20_000 },
    );
    expect(whole.kind).toBe("answered");
    expect(taken).toBe(JSON.stringify(large).length);
    const none = await exchange(server.endpoint, { method: "DELETE", path: "/" }, limits);
    expect(none.kind === "answered" && [none.answer.status, none.answer.body.length]).toEqual([204, 0]);
  });
});
