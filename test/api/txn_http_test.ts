/** `POST /v1/txn` as any client would ask it, on a single node. */
import { expect, test } from "bun:test";
import { errorOf, withCluster } from "./service_cluster.ts";

test("a transaction takes one of its branches, and tells what each operation did", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    const run = (body: unknown): Promise<Response> =>
      fetch(`${url}/v1/txn`, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });
    const json = async (body: unknown): Promise<unknown> => await (await run(body)).json();
    const swap = {
      compare: [{ key: "k", exists: false }],
      then: [
        { op: "put", key: "k", value: "1" },
        { op: "put", key_b64: "/w==", value_b64: "/w==" },
      ],
      else: [
        { op: "get", key: "k" },
        { op: "range", prefix: "", limit: 1 },
        { op: "get", key: "none" },
        { op: "del", prefix: "k" },
      ],
    };
    expect(await json(swap)).toEqual({
      succeeded: true,
      revision: 2,
      results: [
        { op: "put", mod_revision: 2 },
        { op: "put", mod_revision: 2 },
      ],
    });
    const stamps = { create_revision: 2, mod_revision: 2, version: 1, lease: 0 };
    expect(await json(swap)).toEqual({
      succeeded: false,
      revision: 3,
      results: [
        { op: "get", found: true, value: "1", ...stamps },
        { op: "range", kvs: [{ key: "k", value: "1", ...stamps }], more: true, next: "k%00" },
        { op: "get", found: false },
        { op: "del", deleted: 1 },
      ],
    });
    const compare = [
      { key_b64: "/w==", is: "=", value_b64: "/w==" },
      { key_b64: "/w==", target: "mod_revision", is: "<", number: 3 },
    ];
    expect(await json({ compare, then: [{ op: "get", key: "k" }] })).toMatchObject({ succeeded: true });
    const twice = [1, 2].map(() => ({ op: "put", key: "k", value: "" }));
    const wrong = [
      "",
      [],
      {},
      { then: 1 },
      { then: [{ op: "nothing" }] },
      { then: [{ op: "put", key: "k" }] },
      { then: [{ op: "del" }] },
      { then: [{ op: "get", key: "k", revision: 1 }] },
      { then: twice },
      { compare: [{ key: "k", target: "age", number: 1 }], then: [{ op: "get", key: "k" }] },
      { compare: [{ key: "k", target: "version", number: -1 }], then: [{ op: "get", key: "k" }] },
      { compare: [{ key: "k", is: "~", value: "" }], then: [{ op: "get", key: "k" }] },
    ];
    for (const body of wrong) {
      const refused = await run(body);
      expect([refused.status, (await errorOf(refused))["code"]]).toEqual([400, "INVALID_REQUEST"]);
    }
  }));
