/** Writes that a client sends again under the same id, when nobody knows whether they took effect. */
import { expect, test } from "bun:test";
import { HttpClient } from "../../src/client/http_client.ts";
import { putKey } from "../../src/client/kv_requests.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { ok, readyNode, withServers } from "./foreign_server.ts";
import type { Received } from "./foreign_server.ts";

const put = { key: new TextEncoder().encode("k"), value: new Uint8Array(0), condition: null };

async function asked(
  reaction: Parameters<typeof readyNode>[0],
  body: (client: HttpClient) => Promise<void>,
  timeoutMs = 3000,
): Promise<Received[]> {
  const received: Received[] = [];
  const node = readyNode((request) => {
    received.push(request);
    return reaction(request);
  });
  await withServers([node], async ({ endpoint }) => {
    const deadline = performance.now() + timeoutMs;
    await body(new HttpClient({ endpoints: [endpoint], deadline, trace: () => undefined }));
  });
  return received;
}

async function failure(promise: Promise<unknown>): Promise<ProaError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof ProaError) return error;
  throw new Error("it did not fail as it should");
}

test("a write that was not answered is sent again under the same id until it is", async () => {
  let tries = 0;
  const requests = await asked(
    () => (++tries < 3 ? "cut" : ok({ revision: 7, mod_revision: 7 })),
    async (client) => {
      expect(await putKey(client, put)).toEqual({ revision: 7, mod_revision: 7 });
    },
    30_000,
  );
  const ids = requests.map(({ headers }) => headers["idempotency-key"]);
  expect(ids.length).toBe(3);
  expect(new Set(ids).size).toBe(1);
  expect(ids[0]).toMatch(/^50-[0-9a-f]{20}$/);
});

test("a write that is never answered is unknown, and the error names the id; one without an id is sent once", async () => {
  const requests = await asked(
    () => "cut",
    async (client) => {
      const error = await failure(putKey(client, { ...put, requestId: "9-mine" }));
      expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", exit: 4, applied: "unknown", requestId: "9-mine" });
      expect(error.hint).toContain("--request-id 9-mine");
    },
    600,
  );
  expect(requests.length).toBeGreaterThan(1);
  expect(requests.every(({ headers }) => headers["idempotency-key"] === "9-mine")).toBe(true);
  const plain = await asked(
    () => "cut",
    async (client) => {
      expect((await failure(putKey(client, { ...put, requestId: null }))).requestId).toBe(undefined);
    },
  );
  expect(plain.map(({ headers }) => headers["idempotency-key"])).toEqual([undefined]);
});
