/** The runtime's HTTP server below the routes: ports, broken HTTP, slow and stopped clients. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { assert } from "../../src/lib/assert.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import type { ServeOptions } from "../../src/runtime/runtime.ts";
import { expectFields } from "./expect_fields.ts";
import { sendRaw } from "./raw_client.ts";
import { errorOf, serve, until, withCluster } from "./service_cluster.ts";

const utf8 = new TextEncoder();

function listen(
  port: number,
  hostname = "127.0.0.1",
  fetch: ServeOptions["fetch"] = () => Promise.resolve(new Response("ok")),
): ReturnType<typeof serve> {
  return serve({
    hostname,
    port,
    fetch,
    webSocket: { messageBytesMax: 1, open: () => ({ message: () => undefined, close: () => undefined }) },
  });
}

function failure(act: () => unknown): ProaError {
  try {
    act();
  } catch (error) {
    assert(error instanceof ProaError, String(error));
    return error;
  }
  throw new Error("it did not fail");
}

test("a busy port is an error that names it", async () => {
  const owner = createServer();
  await new Promise<void>((resolve) => {
    owner.listen(0, "127.0.0.1", resolve);
  });
  const address = owner.address();
  assert(typeof address === "object" && address !== null, "a TCP server has an address");
  const error = failure(() => listen(address.port));
  expect([error.code, error.exit]).toEqual(["PORT_BUSY", 9]);
  expect(error.message).toBe(`Cannot listen on 127.0.0.1:${address.port}: the port is in use`);
  await new Promise((resolve) => owner.close(resolve));
  const server = listen(address.port);
  expect(server.port).toBe(address.port);
  expect(failure(() => listen(address.port)).code).toBe("PORT_BUSY"); // two servers never share a port
  await server.stop();
  await listen(address.port).stop();
});

test("an address of another machine is an error that names it", () => {
  const error = failure(() => listen(0, "192.0.2.1"));
  expect(error.code).toBe("LOCAL_RESOURCE");
  expect(error.message).toBe("Cannot listen on 192.0.2.1:0: this machine has no such address");
});

test("stopping lets an answer under way leave, and takes nothing in", async () => {
  let release = (): void => undefined;
  let asked = false;
  const server = listen(0, "127.0.0.1", async () => {
    asked = true;
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return new Response("late");
  });
  const url = `http://127.0.0.1:${server.port}/`;
  const waiting = fetch(url).then((response) => response.text());
  await until(() => asked);
  const stopped = server.stop();
  release();
  expect(await waiting).toBe("late");
  await stopped;
  expect(
    await fetch(url).then(
      () => "open",
      () => "closed",
    ),
  ).toBe("closed");
});

test("stopping tells open WebSockets so", async () => {
  const server = listen(0, "127.0.0.1", (_request, upgrade) => Promise.resolve(upgrade({}) ?? new Response("ok")));
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`);
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  const closed = new Promise<readonly unknown[]>((resolve) => {
    socket.onclose = ({ code, reason }) => {
      resolve([code, reason]);
    };
  });
  await server.stop();
  expect(await closed).toEqual([1001, "the node stops"]);
});

test("broken HTTP and random bytes never harm the node", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    const { port } = cluster.one.service;
    const requests = [
      "GET / HTTP/9.9\r\n\r\n",
      "GET /livez HTTP/1.1\r\n\r\n",
      "BREW /v1/kv/k HTTP/1.1\r\nHost: h\r\n\r\n",
      "PUT /v1/kv/k HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n",
      "PUT /v1/kv/k HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "PUT /v1/kv/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
      "GET /rpc HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      "GET http://other:1/livez HTTP/1.1\r\nHost: h:::bad\r\n\r\n",
      "GET //v1/kv/k HTTP/1.1\r\nHost: h\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    const random = seededRandom(7);
    const noise = Array.from({ length: 20 }, () =>
      Uint8Array.from({ length: random.integer(1, 400) }, () => random.integer(0, 255)),
    );
    await Promise.all([...requests.map((text) => utf8.encode(text)), ...noise].map((bytes) => sendRaw(port, bytes)));
    expect((await fetch(`${cluster.one.url}/livez`)).status).toBe(200);
    expect(cluster.one.node.view(0).revision).toBe(1);
  }));

test("a path that was sent unfolded is refused or means what it folds to, and never another request", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    const { port } = cluster.one.service;
    for (const path of ["/v1/kv/..", "/v1/kv/.", "/v1/kv/%2e%2E", "/v1/kv/a/%2e%2e"]) {
      const answer = await sendRaw(
        port,
        utf8.encode(`DELETE ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`),
      );
      expect(answer).toMatch(/^HTTP\/1\.1 40[045]/);
      expect(answer).toContain('"applied":"no"');
    }
  }));

test("a body that does not arrive is refused in time, and bodies share a bounded room", () =>
  withCluster(
    1,
    async (cluster) => {
      await cluster.leader();
      const { port } = cluster.one.service;
      const slow = sendRaw(
        port,
        utf8.encode("PUT /v1/kv/k HTTP/1.1\r\nHost: h\r\nX-Proa-Timeout-Ms: 150\r\nContent-Length: 600\r\n\r\nabc"),
      );
      const put = (): Promise<Response> =>
        fetch(`${cluster.one.url}/v1/kv/other`, { method: "PUT", body: new Uint8Array(600) });
      let refused: Response | null = null;
      for (let i = 0; i < 200 && refused === null; i++) {
        const response = await put(); // until the slow one has come
        if (response.status === 503) refused = response;
      }
      assert(refused !== null, "there was room for ever");
      expectFields(await errorOf(refused), { code: "OVERLOADED", applied: "no" });
      expect(await slow).toContain("Cannot put: the value did not arrive in time");
      expect((await put()).status).toBe(200);
    },
    { receivingBytesMax: 1000 },
  ));

test("clients that go away in the middle harm nobody", () =>
  withCluster(3, async (cluster) => {
    const { one } = cluster;
    cluster.isolate(one.id); // what it is asked is held
    const gone = new AbortController();
    const held = fetch(`${one.url}/v1/kv/k`, { method: "PUT", body: "v", signal: gone.signal }).catch(() => "aborted");
    const head = "PUT /v1/kv/k HTTP/1.1\r\nHost: h\r\n";
    const halves = [
      `${head}Content-Length: 600\r\n\r\nabc`,
      `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nab`,
      `${head}Content-Le`,
    ];
    await Promise.all(halves.map((half) => sendRaw(one.service.port, utf8.encode(half))));
    gone.abort();
    expect(await held).toBe("aborted");
    cluster.network.heal();
    await cluster.leader();
    expect((await fetch(`${one.url}/v1/kv/after`, { method: "PUT", body: "v" })).status).toBe(200);
  }));

test("a bug in a handler ends the process", async () => {
  const program = fileURLToPath(new URL("throwing_server.ts", import.meta.url));
  const run = "Deno" in globalThis ? ["run", "--allow-all", "--no-check"] : ["run"];
  for (const protocol of ["http", "ws"] as const) {
    const child = spawn(process.execPath, [...run, program], { stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    const complaint = textOf(child.stderr);
    const port = await new Promise<string>((resolve) =>
      child.stdout.once("data", (data) => resolve(String(data).trim())),
    );
    if (protocol === "http") await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    else {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
      socket.onopen = () => socket.send(Uint8Array.of(1));
    }
    expect(await ended).toBe(1);
    expect(await complaint).toContain(protocol === "http" ? "a bug in fetch" : "a bug in message");
  }
});

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}

test("a handshake is answered with the view of the node", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    const answer = await sendRaw(
      cluster.one.service.port,
      utf8.encode(
        "GET /rpc HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
          "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
      ),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer).toMatch(/x-proa-leader: 1\r\n/i);
    expect(answer.toLowerCase().includes("permessage-deflate")).toBe(false); // batches gain nothing by compression
  }));

test("messages of one turn arrive one by one and in order, whatever their size, and before the connection is closed", async () => {
  const sizes = Array.from({ length: 300 }, (_, i) => [20, 1, 0, 15_000, 17_000, 300_000][i % 6] ?? 0);
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (_request, upgrade) => Promise.resolve(upgrade({}) ?? new Response("no")),
    webSocket: {
      messageBytesMax: 1,
      open: (socket) => ({
        message: () => {
          const scratch = new Uint8Array(300_000);
          sizes.forEach((size, number) => {
            socket.send(scratch.fill(number).subarray(0, size)); // the next one overwrites it
          });
          socket.close(1000, "all said");
        },
        close: () => undefined,
      }),
    },
  });
  const client = new WebSocket(`ws://127.0.0.1:${server.port}/`);
  client.binaryType = "arraybuffer";
  const heard: string[] = [];
  client.onopen = () => {
    client.send(Uint8Array.of(1));
  };
  client.onmessage = ({ data }) => {
    const bytes = new Uint8Array(data as ArrayBuffer);
    heard.push(`${bytes.length} of ${bytes.length === 0 ? "nothing" : bytes[0]}`);
  };
  const reason = await new Promise<string>((resolve) => {
    client.onclose = (event) => {
      resolve(event.reason);
    };
  });
  expect(reason).toBe("all said");
  expect(heard).toEqual(sizes.map((size, number) => `${size} of ${size === 0 ? "nothing" : number % 256}`));
  await server.stop();
});
