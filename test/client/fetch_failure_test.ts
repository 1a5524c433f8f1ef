/** How failures of fetch are told apart: by the words of each runtime, and by what this runtime really throws. */
import { expect, test } from "bun:test";
import { classifyFetchFailure } from "../../src/client/fetch_failure.ts";
import { exchange } from "../../src/client/http_exchange.ts";
import { desertedEndpoint, foreignNode, ok, silentServer, withServers } from "./foreign_server.ts";

function bunError(code: string): Error {
  return Object.assign(new TypeError(`${code}: Unable to connect`), { code });
}

function denoError(text: string): Error {
  return new TypeError("fetch failed", { cause: new Error(`error sending request for url (http://h:1/): ${text}`) });
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
  [
    "Deno: refused",
    denoError("client error (Connect): tcp connect error: Connection refused (os error 111)"),
    "no",
    "connection refused",
  ],
  ["Deno: no such host", denoError("client error (Connect): dns error: failed to lookup"), "no", "host not found"],
  [
    "Deno: closed",
    denoError("client error (SendRequest): connection closed before message completed"),
    "maybe",
    "connection lost",
  ],
  [
    "Deno: reset",
    new TypeError("fetch failed", { cause: new Error("Connection reset by peer (os error 104)") }),
    "maybe",
    "connection lost",
  ],
  [
    "Deno: forbidden port",
    new TypeError("Fetch failed: Requests to port 1 are blocked"),
    "no",
    "the runtime refuses this port",
  ],
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
