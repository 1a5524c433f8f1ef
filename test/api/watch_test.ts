/** Watches on real nodes: through the library, over server-sent events, over changes of leaders and broken connections. */
import { expect, test } from "bun:test";
import { assert } from "../../src/lib/assert.ts";
import { connect, NotAppliedError, ProaError } from "../../src/mod.ts";
import type { Client, WatchedRevision, WatchOptions, WatchSelection } from "../../src/mod.ts";
import { errorOf, until, withCluster } from "./service_cluster.ts";
import type { ClusterNode, ServiceCluster } from "./service_cluster.ts";

const endpointOf = ({ service }: ClusterNode): string => `127.0.0.1:${service.port}`;

async function withClient(cluster: ServiceCluster, use: (client: Client) => Promise<void>): Promise<void> {
  await cluster.leader();
  using client = connect({ endpoints: cluster.nodes.map(endpointOf), timeoutMs: 20_000 });
  await use(client);
}

/** The first `count` revisions that a watch shows, as lines. */
async function take(watch: AsyncGenerator<WatchedRevision>, count: number): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const revision of watch) {
    lines.push(lineOf(revision));
    if (lines.length === count) break;
  }
  return lines;
}

function lineOf({ revision, events }: WatchedRevision): string {
  const shown = events.map(({ key, now, previous }) => {
    const was = previous === null ? "" : `(${previous.text})`;
    return `${new TextDecoder().decode(key)}=${now === null ? "" : now.text}${was}`;
  });
  return `${revision}: ${shown.join(" ")}`;
}

test("a watch shows each revision once, with what was asked for", () =>
  withCluster(1, (cluster) =>
    withClient(cluster, async (client) => {
      const later = client.watch({ prefix: "a" }); // from what follows, although nobody has asked for a change yet
      expect(await client.revision()).toBe(1);
      await client.put("a", "1");
      await client.put("b", "2");
      await client.put("ab", "3");
      await client.put("a", "4");
      await client.deleteRange({});
      expect(await take(later, 3)).toEqual(["2: a=1", "4: ab=3", "5: a=4"]);
      const from = (selection: WatchSelection, options: WatchOptions = {}): AsyncGenerator<WatchedRevision> =>
        client.watch(selection, { from: 1, ...options });
      expect(await take(from({}, { previous: true }), 5)).toEqual([
        "2: a=1",
        "3: b=2",
        "4: ab=3",
        "5: a=4(1)",
        "6: a=(4) ab=(3) b=(2)",
      ]);
      expect(await take(from({ key: "a" }), 3)).toEqual(["2: a=1", "5: a=4", "6: a="]);
      expect(await take(from({ start: "ab", end: "b" }, { only: "put" }), 1)).toEqual(["4: ab=3"]);
      expect(await take(from({}, { only: "delete", from: 3 }), 1)).toEqual(["6: a= ab= b="]);
      expect(await take(from({ key: "nothing" }, { progress: true }), 1)).toEqual(["6: "]);
    }),
  ));

test("a revision that comes in portions is shown as a whole", () =>
  withCluster(1, (cluster) =>
    withClient(cluster, async (client) => {
      const value = "v".repeat(400 * 1024);
      for (const key of ["a", "b", "c", "d", "e"]) await client.put(key, value);
      await client.deleteRange({});
      for await (const { revision, events } of client.watch({}, { from: 7, previous: true })) {
        expect([revision, events.length]).toEqual([7, 5]);
        expect(events.every(({ previous }) => previous?.value.length === value.length)).toBe(true);
        break;
      }
    }),
  ));

test("a watch ends with its signal, with its client, and where changes are gone", () =>
  withCluster(1, (cluster) =>
    withClient(cluster, async (client) => {
      const endOf = async (watch: AsyncGenerator<WatchedRevision>): Promise<unknown> => {
        try {
          await take(watch, 1);
        } catch (error) {
          return error;
        }
        throw new Error("it did not end");
      };
      const controller = new AbortController();
      const aborted = endOf(client.watch({}, { signal: controller.signal }));
      controller.abort(new Error("enough"));
      expect(String(await aborted)).toBe("Error: enough");
      const kept = await fetch(`${cluster.one.url}/v1/settings`, {
        method: "PATCH",
        body: JSON.stringify({ history_revisions: 100 }),
      });
      expect(kept.status).toBe(200);
      await Promise.all(Array.from({ length: 300 }, (_, i) => client.put("a", `${i}`)));
      await until(() => cluster.one.node.view(0).revision === 301);
      let compacted: unknown = null;
      while (!(compacted instanceof ProaError)) {
        const first = await fetch(`${cluster.one.url}/v1/watch?from=2`);
        if (first.status === 410) {
          expect(await errorOf(first)).toMatchObject({ code: "COMPACTED" });
          compacted = await endOf(client.watch({}, { from: 2 }));
        } else await first.body?.cancel();
      }
      expect([compacted instanceof NotAppliedError, compacted.code]).toEqual([true, "COMPACTED"]);
      expect(compacted.message).toMatch(/^Cannot watch from revision 2: the changes up to revision \d+ are compacted$/);
      const closed = endOf(client.watch({ key: "nothing" }, { from: 302 }));
      client.close();
      expect(String(await closed)).toContain("Cannot watch: the client was closed");
    }),
  ));

test("a store that has not come as far as a watcher is not the one that it watched, and a node that lags behind it is", () =>
  withCluster(3, (cluster) =>
    withClient(cluster, async (client) => {
      for (const value of ["1", "2", "3"]) await client.put("a", value);
      const refusal = await client
        .watch({ key: "a" }, { from: 99 })
        .next()
        .catch((error: unknown) => error);
      assert(refusal instanceof ProaError, "it is refused");
      expect([refusal.code, refusal.message]).toEqual([
        "FUTURE_REVISION",
        "Cannot watch from revision 99: the store is at revision 4",
      ]);
      const leader = await cluster.leader();
      const follower = await cluster.follower();
      for (const { url } of [leader, follower]) {
        const response = await fetch(`${url}/v1/watch?from=99`);
        expect([response.status, (await errorOf(response))["code"]]).toEqual([404, "FUTURE_REVISION"]);
        const seen = await fetch(`${url}/v1/watch`, { headers: { "last-event-id": "98" } });
        expect(seen.status).toBe(404);
      }
      // A revision that exists, although this node has not heard of it: it is waited for.
      cluster.isolate(follower.id);
      await client.put("a", "4");
      const lagging = connect({ endpoints: [endpointOf(follower)] });
      const next = lagging.watch({ key: "a" }, { from: 6 }).next();
      const early = fetch(`${follower.url}/v1/watch?from=6`);
      cluster.network.heal();
      await client.put("a", "5");
      const { value } = await next;
      expect(value === undefined ? "nothing" : lineOf(value)).toBe("6: a=5");
      const stream = await early;
      expect(stream.status).toBe(200);
      await stream.body?.cancel();
      lagging.close();
    }),
  ));

test(
  "changes of leaders and broken connections lose nothing and repeat nothing",
  () =>
    withCluster(3, (cluster) =>
      withClient(cluster, async (client) => {
        const rounds = 5;
        const perRound = 60;
        const total = rounds * perRound;
        const watcher = connect({ endpoints: [endpointOf(await cluster.follower())] });
        const seen: number[] = [];
        const watching = (async () => {
          for await (const { revision, events } of watcher.watch({ prefix: "event/" }, { from: 1 })) {
            for (const { now } of events) seen.push(Number(now?.text));
            expect(revision).toBe(seen.length + 1);
            if (seen.length === total) return;
          }
        })();
        let next = 0;
        for (let round = 0; round < rounds; round++) {
          const leader = await cluster.leader();
          const to = cluster.nodes.find(({ id }) => id === (leader.id % 3) + 1) ?? leader;
          for (let i = 0; i < perRound; i++) {
            if (i === perRound / 2) leader.node.transferLeader(0, to.id, () => undefined);
            // Each event once: what is unknown is looked up before it is written again.
            for (let written = false; !written;) {
              try {
                written = (await client.put(`event/${next}`, `${next}`, { ifAbsent: true })).ok || true;
              } catch (error) {
                if (!(error instanceof ProaError) || error.applied !== "unknown") throw error;
              }
            }
            next++;
          }
        }
        await watching;
        watcher.close();
        expect(seen).toEqual(Array.from({ length: total }, (_, i) => i));
      }),
    ),
  60_000,
);

interface ServerEvent {
  readonly event?: string;
  readonly id?: string;
  readonly data?: {
    readonly revision: number;
    readonly events: readonly { readonly type: string; readonly key: string }[];
  };
}

/** The events of a stream, and its comments as events without data, until `enough` of them are there. */
async function read(
  response: Response,
  enough: (events: readonly ServerEvent[]) => boolean,
): Promise<readonly ServerEvent[]> {
  assert(response.body !== null, "a stream has a body");
  const events: ServerEvent[] = [];
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const lines = part.split("\n").map((line) => /^(\w*): ?(.*)$/.exec(line) ?? ["", "", ""]);
      const fields = Object.fromEntries(lines.map(([, name = "", value = ""]) => [name, value]));
      events.push({
        ...fields,
        ...(fields["data"] !== undefined && { data: JSON.parse(fields["data"]) }),
      });
    }
    if (enough(events)) break;
  }
  return events;
}

test("over HTTP a watch is a stream of events, from any node, and goes on behind the last one", () =>
  withCluster(3, (cluster) =>
    withClient(cluster, async (client) => {
      const { url } = await cluster.follower();
      await client.put("a", "1");
      await client.put("b", "2");
      await client.put("a", "3");
      const withEvents = (count: number) => (events: readonly ServerEvent[]) =>
        events.filter(({ data }) => data !== undefined).length >= count;
      const response = await fetch(`${url}/v1/watch?key=a&from=2&previous=true`);
      expect(response.headers.get("content-type")).toBe("text/event-stream");
      const stamps = { create_revision: 2, lease: 0 };
      expect((await read(response, withEvents(2))).filter(({ data }) => data !== undefined)).toEqual([
        {
          id: "2",
          data: {
            revision: 2,
            events: [{ type: "put", key: "a", value: "1", ...stamps, mod_revision: 2, version: 1 }],
          },
        },
        {
          id: "4",
          data: {
            revision: 4,
            events: [
              {
                type: "put",
                key: "a",
                value: "3",
                ...stamps,
                mod_revision: 4,
                version: 2,
                previous: { value: "1", ...stamps, mod_revision: 2, version: 1 },
              },
            ],
          },
        },
      ] as unknown as ServerEvent[]);
      const again = await fetch(`${url}/v1/watch?from=2`, { headers: { "Last-Event-ID": "3" } });
      expect((await read(again, withEvents(1))).filter(({ data }) => data !== undefined).map(({ id }) => id)).toEqual([
        "4",
      ]);
      const progress = await fetch(`${url}/v1/watch?key=none&from=2&progress=true`);
      expect((await read(progress, withEvents(1)))[0]).toMatchObject({
        event: "progress",
        id: "4",
        data: { revision: 4 },
      });
      const now = await fetch(`${url}/v1/watch?prefix=a`);
      await client.delete("a");
      const events = await read(now, withEvents(1));
      expect(events.find(({ data }) => data !== undefined)).toMatchObject({ id: "5" });
      const head = await fetch(`${url}/v1/watch`, { method: "HEAD" });
      expect([head.status, head.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
      for (const [query, message] of [
        ["key=a&prefix=b", "Cannot watch: key, prefix, and start with end exclude each other"],
        ["from=x", 'Cannot watch: the query parameter from is "x", not a revision'],
        ["only=get", 'Cannot read the request: the query parameter only is "get", not put or delete'],
        ["key=", "Cannot watch: the key is empty"],
      ]) {
        const refused = await fetch(`${url}/v1/watch?${query}`);
        expect([refused.status, (await errorOf(refused))["message"]]).toEqual([400, message]);
      }
    }),
  ));

test("too many watchers are refused, and those of a node that stops are told", () =>
  withCluster(
    1,
    async (cluster) => {
      await cluster.leader();
      const { url, service } = cluster.one;
      const first = await fetch(`${url}/v1/watch?from=2`);
      const reading = read(first, (events) => events.some(({ event }) => event === "error"));
      let refused = await fetch(`${url}/v1/watch?from=2`);
      while (refused.status === 200) {
        await refused.body?.cancel(); // the first one had not begun to wait
        refused = await fetch(`${url}/v1/watch?from=2`);
      }
      expect([refused.status, (await errorOf(refused))["code"]]).toEqual([503, "OVERLOADED"]);
      await service.stop();
      expect((await reading).at(-1)).toMatchObject({ event: "error", data: { error: { code: "STOPPING" } } });
    },
    { watchersMax: 1 },
  ));
