/** Request and response frames: their exact bytes, errors on the way back, and that no damage does more than be refused. */
import { describe, expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { CorruptError, ProaError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import {
  type RpcRequestHeader,
  type RpcResponseHeader,
  decodeError,
  decodeRequest,
  decodeResponse,
  requestIdOf,
  writeError,
  writeRequestHeader,
  writeResponseHeader,
} from "../../src/wire/mod.ts";
import { bytes, thrown } from "../kv/driver.ts";
import { accepts, damaged, hexOf } from "./damage.ts";

const request: RpcRequestHeader = {
  kind: "read",
  consistency: "stale",
  hops: 3,
  requestId: 0xdeadbeef,
  group: 5,
  timeoutMs: 5000,
  count: 2,
};

const response: RpcResponseHeader = {
  status: "notApplied",
  requestId: 0xdeadbeef,
  leader: 2,
  term: 7,
  revision: 2 ** 32,
  appliedIndex: 9,
};

function requestFrame(header: RpcRequestHeader, body: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writeRequestHeader(writer, header.requestId, header);
  writer.bytes(body);
  return writer.take();
}

function responseFrame(header: RpcResponseHeader, body: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writeResponseHeader(writer, header);
  writer.bytes(body);
  return writer.take();
}

function changed(frame: Uint8Array, offset: number, value: number): Uint8Array {
  const copy = frame.slice();
  copy[offset] = value;
  return copy;
}

describe("requests", () => {
  test("have these bytes", () => {
    expect(hexOf(requestFrame(request, bytes("xy")))).toBe(
      "01" + "02" + "01" + "03" + "deadbeef" + "00000005" + "00001388" + "00000002" + "7879",
    );
  });

  test("come back as what was written, the body as a view", () => {
    const headers: RpcRequestHeader[] = [
      request,
      { ...request, kind: "write", consistency: "linearizable", hops: 255 },
      { ...request, consistency: "linearizable" },
      { ...request, consistency: "lease" },
    ];
    for (const header of headers) {
      const frame = requestFrame(header, bytes("body"));
      const decoded = decodeRequest(frame);
      expect(decoded).toEqual({ ...header, body: bytes("body"), inFrame: true });
      expect(decoded.body.buffer).toBe(frame.buffer);
      expect(decodeRequest(requestFrame(header, new Uint8Array())).body.length).toBe(0);
    }
  });

  test("what this version does not know is corrupt, and its id can still be read", () => {
    const frame = requestFrame(request, bytes("body"));
    const broken = [
      changed(frame, 0, 2),
      changed(frame, 1, 0),
      changed(frame, 1, 5),
      changed(frame, 2, 3),
      changed(frame, 1, 1),
    ];
    for (const each of broken) {
      expect(thrown(() => decodeRequest(each)) instanceof CorruptError).toBe(true);
      expect(requestIdOf(each)).toBe(request.requestId);
    }
    expect(requestIdOf(frame.subarray(0, 8))).toBe(request.requestId);
    expect(requestIdOf(frame.subarray(0, 7))).toBe(null);
    expect(requestIdOf(new Uint8Array())).toBe(null);
  });

  test("a write that is not linearizable is never written", () => {
    expect(() => requestFrame({ ...request, kind: "write" }, bytes(""))).toThrow("linearizable");
    expect(() => requestFrame({ ...request, hops: 256 }, bytes(""))).toThrow("hops");
  });
});

describe("responses", () => {
  test("have these bytes", () => {
    expect(hexOf(responseFrame(response, bytes("xy")))).toBe(
      "01" +
        "01" +
        "0000" +
        "deadbeef" +
        "00000002" +
        "0000000000000007" +
        "0000000100000000" +
        "0000000000000009" +
        "7879",
    );
  });

  test("come back as what was written, the body as a view", () => {
    for (const status of ["ok", "notApplied", "unknown", "invalid"] as const) {
      for (const leader of [null, 1]) {
        const header = { ...response, status, leader };
        const frame = responseFrame(header, bytes("body"));
        const decoded = decodeResponse(frame);
        expect(decoded).toEqual({ ...header, body: bytes("body") });
        expect(decoded.body.buffer).toBe(frame.buffer);
        expect(requestIdOf(frame)).toBe(response.requestId);
      }
    }
  });

  test("what this version does not know is corrupt", () => {
    const frame = responseFrame(response, bytes("body"));
    for (const broken of [
      changed(frame, 0, 0),
      changed(frame, 1, 5),
      changed(frame, 2, 1),
      changed(frame, 3, 1),
      changed(frame, 12, 0xff),
    ]) {
      expect(thrown(() => decodeResponse(broken)) instanceof CorruptError).toBe(true);
    }
  });
});

describe("errors in responses", () => {
  function roundTrip(error: ProaError): ProaError {
    const writer = new ByteWriter();
    writeError(writer, error);
    return decodeError(writer.take());
  }

  test("come back whole", () => {
    const errors = [
      new ProaError("NO_LEADER", "Cannot put: no leader is known", {
        hint: "wait for one: proa wait leader",
        tried: ["127.0.0.1:5001: ☠"],
      }),
      new ProaError("PRECONDITION_FAILED", "Cannot put: the key exists", { revision: 42 }),
      new ProaError("OUTCOME_UNKNOWN", "Cannot put: no answer came"),
      new ProaError("INTERNAL", "Cannot put: a bug", { applied: "yes" }),
    ];
    for (const error of errors) expect(roundTrip(error).toJSON()).toEqual(error.toJSON());
  });

  test("a code of a newer version keeps its message, and silence about the outcome leaves it unknown", () => {
    const error = decodeError(bytes('{"error":{"code":"BRAND_NEW","message":"Cannot put: news"}}'));
    expect(error.toJSON()).toEqual(new ProaError("INTERNAL", "Cannot put: news", { applied: "unknown" }).toJSON());
    expect(decodeError(bytes('{"error":{"code":"toString","message":"m"}}')).code).toBe("INTERNAL");
    expect(decodeError(bytes('{"error":{"code":"NO_LEADER","message":"m","applied":"no"}}')).applied).toBe("no");
  });

  test("what is not an error object is corrupt", () => {
    const bodies = [
      "",
      "null",
      "7",
      "{",
      "[]",
      "{}",
      '{"error":null}',
      '{"error":{}}',
      '{"error":{"code":1,"message":"m"}}',
      '{"error":{"code":"NO_LEADER"}}',
      "\u0000",
      "[".repeat(1_000_000),
      "[".repeat(1_000_000) + "]".repeat(1_000_000),
    ];
    for (const body of bodies) expect(accepts(() => decodeError(bytes(body)))).toBe(false);
    const strange = '{"error":{"code":"NO_LEADER","message":"m","tried":[{"toString":1},"a"],"hint":5,"revision":"x"}}';
    expect(decodeError(bytes(strange)).toJSON().error["tried"]).toEqual(["a"]);
  });
});

test("any damage to a frame is corrupt or a frame", () => {
  const writer = new ByteWriter();
  writeResponseHeader(writer, response);
  writeError(writer, new ProaError("NO_LEADER", "Cannot put: no leader is known", { hint: "h", tried: ["a", "b"] }));
  for (const frame of damaged(writer.take(), seededRandom(5), 2000))
    accepts(() => decodeError(decodeResponse(frame).body));
  for (const frame of damaged(requestFrame(request, bytes("body")), seededRandom(6), 2000)) {
    accepts(() => decodeRequest(frame));
    expect(requestIdOf(frame) === null).toBe(frame.length < 8);
  }
});
