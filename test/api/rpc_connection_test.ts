/** The client's end of /rpc before servers that hang, close, lie or are not there: what has left and what has not. */
import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { RpcConnection } from "../../src/client/rpc_connection.ts";
import type { RpcOutcome } from "../../src/client/rpc_connection.ts";
import { assert } from "../../src/lib/assert.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { systemClock } from "../../src/runtime/system_clock.ts";
import type { RpcRequest } from "../../src/wire/mod.ts";
import { until } from "./service_cluster.ts";
import { answerOk, answerWith, StubServer } from "./stub_server.ts";
import type { Behaviour } from "./stub_server.ts";

function request(timeoutMs = 5000, body = Uint8Array.of(1, 2, 3)): Omit<RpcRequest, "requestId"> {
  return { kind: "write", consistency: "linearizable", hops: 0, group: 0, timeoutMs, count: 1, body };
}

async function withConnection(
  endpoint: string,
  use: (connection: RpcConnection) => Promise<void>,
  connectTimeoutMs = 5000,
): Promise<void> {
  const connection = new RpcConnection({ endpoint, timers: systemClock, connectTimeoutMs });
  try {
    await use(connection);
  } finally {
    connection.close();
  }
}

async function withServer(
  behaviour: Behaviour,
  use: (server: StubServer, connection: RpcConnection) => Promise<void>,
): Promise<void> {
  const server = new StubServer(behaviour);
  try {
    await withConnection(server.endpoint, (connection) => use(server, connection));
  } finally {
    await server.server.stop();
  }
}

function ask(connection: RpcConnection, asked = request()): Promise<RpcOutcome> {
  let called = false;
  return new Promise((resolve) => {
    connection.request(asked, (outcome) => {
      assert(!called, "an outcome is told once");
      called = true;
      resolve(outcome);
    });
  });
}

test("requests share a connection and are answered in any order", () => {
  const waiting: (() => void)[] = [];
  const backwards: Behaviour = (socket, asked) => {
    waiting.push(() => {
      answerOk(socket, asked);
    });
    if (waiting.length === 3) for (const answer of waiting.reverse()) answer();
  };
  return withServer(backwards, async (server, connection) => {
    const outcomes = await Promise.all([1, 2, 3].map((byte) => ask(connection, request(5000, Uint8Array.of(byte)))));
    expect(outcomes.map((outcome) => (outcome.kind === "done" ? [...outcome.response.body] : outcome.kind))).toEqual([
      [1],
      [2],
      [3],
    ]);
    expect(server.opened).toBe(1);
    expect(server.requests.map(({ kind, count, timeoutMs }) => [kind, count, timeoutMs])).toEqual(
      [1, 2, 3].map(() => ["write", 1, 5000]),
    );
  });
});

test("a refusal carries the error of the node", () =>
  withServer(
    (socket, asked) => {
      answerWith(socket, asked, "notApplied", new ProaError("OVERLOADED", "Cannot write: too much"));
    },
    async (_server, connection) => {
      const outcome = await ask(connection);
      assert(outcome.kind === "refused", "expected a refusal");
      expect([outcome.response.status, outcome.error.code, outcome.error.applied]).toEqual([
        "notApplied",
        "OVERLOADED",
        "no",
      ]);
    },
  ));

test("where nobody listens nothing was sent", async () => {
  const server = new StubServer(() => undefined);
  const { endpoint } = server;
  await server.server.stop();
  await withConnection(endpoint, async (connection) => {
    expect((await ask(connection)).kind).toBe("notSent");
    expect((await ask(connection)).kind).toBe("notSent");
    expect(connection.inFlight).toBe(0);
  });
});

test("a connection that does not open in time sent nothing", async () => {
  const silent = createServer((socket) => socket.on("error", () => undefined).resume()); // never answers the handshake
  await new Promise<void>((resolve) => {
    silent.listen(0, "127.0.0.1", resolve);
  });
  const address = silent.address();
  assert(typeof address === "object" && address !== null, "a TCP server has an address");
  await withConnection(
    `127.0.0.1:${address.port}`,
    async (connection) => {
      expect(await ask(connection)).toEqual({ kind: "notSent", reason: "no connection within 50 ms" });
      expect(await ask(connection, request(20))).toEqual({ kind: "notSent", reason: "no connection in time" });
    },
    50,
  );
  await new Promise((resolve) => silent.close(resolve));
});

test("what was sent and not answered is lost, and the next request connects again", () =>
  withServer(
    (socket, asked) => {
      if (asked.body[0] === 0) socket.close(1011, "broken");
      else if (asked.body[0] !== 1) answerOk(socket, asked);
    },
    async (server, connection) => {
      const unanswered = ask(connection, request(5000, Uint8Array.of(1)));
      const lost = { kind: "lost", reason: "the connection was closed: broken" } as const;
      expect(await ask(connection, request(5000, Uint8Array.of(0)))).toEqual(lost);
      expect(await unanswered).toEqual(lost);
      expect((await ask(connection, request(5000, Uint8Array.of(2)))).kind).toBe("done");
      expect(server.opened).toBe(2);
      expect(server.requests.length).toBe(3); // nothing was sent twice
    },
  ));

test("a node that stays silent past the time it was given is left", () =>
  withServer(
    (socket, asked) => {
      if (asked.body[0] !== 1) answerOk(socket, asked);
    },
    async (server, connection) => {
      const other = ask(connection, request(60_000, Uint8Array.of(1)));
      expect(await ask(connection, request(50, Uint8Array.of(1)))).toEqual({
        kind: "lost",
        reason: "no answer in time",
      });
      expect(await other).toEqual({ kind: "lost", reason: "no answer in time" });
      expect((await ask(connection, request(5000, Uint8Array.of(2)))).kind).toBe("done");
      expect(server.opened).toBe(2);
    },
  ));

test("one late answer does not end a connection that lives", () => {
  const late: (() => void)[] = [];
  const holdsBackOnes: Behaviour = (socket, asked) => {
    if (asked.body[0] === 1) {
      late.push(() => {
        answerOk(socket, asked);
      });
    } else answerOk(socket, asked);
  };
  return withServer(holdsBackOnes, async (server, connection) => {
    const slow = ask(connection, request(100, Uint8Array.of(1)));
    await until(() => late.length === 1);
    expect((await ask(connection, request(5000, Uint8Array.of(2)))).kind).toBe("done");
    expect((await slow).kind).toBe("lost");
    for (const answer of late) answer(); // nobody waits for it any more
    expect((await ask(connection, request(5000, Uint8Array.of(2)))).kind).toBe("done");
    expect(server.opened).toBe(1);
  });
});

test("a server that does not speak the protocol is left", () =>
  withServer(
    (socket) => {
      socket.send(Uint8Array.of(9, 9, 9));
    },
    async (_server, connection) => {
      expect(await ask(connection)).toEqual({ kind: "lost", reason: "the node sent version 9, which is not known" });
    },
  ));

test("closing ends what is in flight, once", () =>
  withServer(
    () => undefined,
    async (server, connection) => {
      const sent = ask(connection);
      await until(() => server.requests.length === 1);
      connection.close();
      expect((await sent).kind).toBe("lost");
      expect(await ask(connection)).toEqual({ kind: "notSent", reason: "the connection was closed" });
    },
  ));

test("the body may be reused as soon as the request was made", () =>
  withServer(answerOk, async (_server, connection) => {
    const body = Uint8Array.of(1, 2, 3);
    const first = ask(connection, request(5000, body)); // waits for the connection
    body.fill(9);
    const outcome = await first;
    assert(outcome.kind === "done", "expected an answer");
    expect([...outcome.response.body]).toEqual([1, 2, 3]);
    const second = ask(connection, request(5000, body)); // goes to the socket at once
    body.fill(7);
    const again = await second;
    assert(again.kind === "done", "expected an answer");
    expect([...again.response.body]).toEqual([9, 9, 9]);
  }));
