/** Writes of the library that are sent again under one id: what is repeated, what is renewed, and what the caller learns. */
import { expect, test } from "bun:test";
import { assert } from "../../src/lib/assert.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { CommandCursor, decodeOnce, writeResponseHeader, writeResult } from "../../src/wire/mod.ts";
import type { ResultStatus, RpcRequest } from "../../src/wire/mod.ts";
import type { ServerWebSocket } from "../../src/runtime/runtime.ts";
import { connect, UnknownOutcomeError } from "../../src/mod.ts";
import type { Client } from "../../src/mod.ts";
import { answerWith, StubServer } from "../api/stub_server.ts";
import type { Behaviour } from "../api/stub_server.ts";
import { until } from "../api/service_cluster.ts";

/** One request with an id, as it arrived. */
interface Asked {
  readonly id: string;
  readonly commands: string;
}

function askedIn({ body }: Pick<RpcRequest, "body">): Asked {
  const cursor = new CommandCursor(body);
  assert(cursor.next() && cursor.kind === "once", "writes of the library have an id");
  const { born, session, seq, commands } = decodeOnce(cursor.body());
  return { id: `${born}-${session}.${seq}`, commands: String(commands) };
}

/** Answers a write with an id. */
function answerOnce(socket: ServerWebSocket, asked: RpcRequest, status: ResultStatus = "ok", appliedIndex = 7): void {
  const cursor = new CommandCursor(asked.body);
  cursor.next();
  const results = new ByteWriter();
  for (const command = new CommandCursor(decodeOnce(cursor.body()).commands); command.next();) {
    writeResult(results, { status: "ok", revision: 2, modRevision: 2, changed: 1 });
  }
  const writer = new ByteWriter();
  const { requestId } = asked;
  writeResponseHeader(writer, { status: "ok", requestId, leader: 1, term: 1, revision: 2, appliedIndex });
  const result = { status, revision: 2, modRevision: 0, changed: 0 };
  writeResult(writer, status === "ok" ? { ...result, body: results.take() } : result);
  socket.send(writer.take());
}

async function withStub(
  behaviour: Behaviour,
  use: (client: Client, asked: () => readonly Asked[]) => Promise<void>,
): Promise<void> {
  const server = new StubServer(behaviour);
  try {
    using client = connect({ endpoints: [server.endpoint], timeoutMs: 20_000 });
    await use(client, () => server.requests.map(askedIn));
  } finally {
    await server.server.stop();
  }
}

async function unknown(promise: Promise<unknown>): Promise<UnknownOutcomeError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof UnknownOutcomeError, `expected an UnknownOutcomeError, not ${String(error)}`);
  return error;
}

/** Does to the first requests what is listed, and answers the others. */
function first(...behaviours: readonly Behaviour[]): Behaviour {
  let at = 0;
  return (socket, request) => {
    const behaviour = behaviours[at++] ?? answerOnce;
    behaviour(socket, request);
  };
}

const cut: Behaviour = (socket) => {
  socket.close(1011, "gone");
};
const tellUnknown: Behaviour = (socket, request) => {
  answerWith(socket, request, "unknown", new ProaError("OUTCOME_UNKNOWN", "Cannot tell: it lost its office"));
};
const refuse: Behaviour = (socket, request) => {
  answerWith(socket, request, "notApplied", new ProaError("NO_LEADER", "Cannot write: nobody leads"));
};

test("a write that was not answered is sent again as it was, under the same id, until it is", () =>
  withStub(first(cut, tellUnknown, refuse, cut), async (client, asked) => {
    const written = await Promise.all([client.put("a", "1"), client.delete("b")]);
    expect(written.map(({ revision }) => revision)).toEqual([2, 2]);
    expect(asked().length).toBe(5);
    expect(new Set(asked().map(({ id, commands }) => `${id} ${commands}`)).size).toBe(1);
    expect(asked()[0]?.id).toMatch(/^1-[0-9a-f]{20}\.1$/);
    await client.deleteRange({ prefix: "c" });
    expect(asked().at(-1)?.id).toMatch(/^1-[0-9a-f]{20}\.2$/);
  }));

test("what a caller does with its bytes after it gave up does not change what is sent again", () => {
  let answer: Behaviour = () => undefined;
  return withStub(
    (socket, request) => {
      answer(socket, request);
    },
    async (client, asked) => {
      const value = new TextEncoder().encode("before");
      const stop = new AbortController();
      const impatient = client.put("a", value, { signal: stop.signal });
      const patient = client.put("b", "2");
      await until(() => asked().length === 1);
      stop.abort(new Error("changed my mind"));
      value.fill(0);
      expect(String((await unknown(impatient)).cause)).toBe("Error: changed my mind");
      answer = answerOnce;
      expect((await patient).revision).toBe(2);
      expect(asked().length).toBe(2);
      expect(asked()[1]).toEqual(asked()[0]);
    },
  );
});

test("what nobody waits for any more is not sent again after a refusal, and the rest has another id", () => {
  let refuseIt = (): void => undefined;
  const later: Behaviour = (socket, request) => {
    refuseIt = () => {
      refuse(socket, request);
    };
  };
  return withStub(first(later), async (client, asked) => {
    const stop = new AbortController();
    const impatient = client.put("a", "1", { signal: stop.signal });
    const patient = client.put("b", "2");
    await until(() => asked().length === 1);
    stop.abort(new Error("changed my mind"));
    await unknown(impatient);
    refuseIt();
    expect((await patient).revision).toBe(2);
    expect(asked().map(({ id }) => id.split(".")[1])).toEqual(["1", "2"]);
    expect((asked()[1]?.commands.length ?? 0) < (asked()[0]?.commands.length ?? 0)).toBe(true);
  });
});

test("a session that is too old is renewed for a request that was never sent before, and an error for one that was", () => {
  const expired: Behaviour = (socket, request) => {
    answerOnce(socket, request, "requestExpired", 5000);
  };
  const unborn: Behaviour = (socket, request) => {
    answerOnce(socket, request, "requestUnborn", 4000);
  };
  return withStub(first(expired, unborn, answerOnce, cut, expired), async (client, asked) => {
    expect((await client.put("a", "1")).ok).toBe(true);
    expect(asked().map(({ id }) => id.split("-")[0])).toEqual(["1", "5000", "4000"]);
    expect(new Set(asked().map(({ commands }) => commands)).size).toBe(1);
    const error = await unknown(client.put("a", "2"));
    expect([error.code, error.applied]).toEqual(["REQUEST_EXPIRED", "unknown"]);
    expect(asked().length).toBe(5);
    expect(asked()[4]).toEqual(asked()[3]);
  });
});

test("a refusal that comes after a loss does not make it undone", () => {
  const tooLarge: Behaviour = (socket, request) => {
    answerWith(socket, request, "invalid", new ProaError("TOO_LARGE", "Cannot put: it is too large"));
  };
  return withStub(first(cut, tooLarge), async (client, asked) => {
    const error = await unknown(client.put("a", "1"));
    expect(error.code).toBe("OUTCOME_UNKNOWN");
    expect(error.tried.length).toBe(2);
    expect(asked().length).toBe(2);
  });
});

test("a write that is never answered is unknown when its time is up", () =>
  withStub(
    () => undefined,
    async (client, asked) => {
      const error = await unknown(client.put("a", "1", { timeoutMs: 100 }));
      expect([error.code, error.tried.at(-1)]).toEqual(["OUTCOME_UNKNOWN", "no answer in time"]);
      expect(asked().length).toBeGreaterThan(0);
      expect(new Set(asked().map(({ id }) => id)).size).toBe(1);
    },
  ));
