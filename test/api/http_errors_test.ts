/** Errors for users: every code has its documented status, and says truthfully whether anything was applied. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  heldError,
  readTimeoutError,
  refusalError,
  statusOf,
  transferError,
  unknownError,
} from "../../src/api/http_errors.ts";
import { exitOfCode, ProaError } from "../../src/lib/errors.ts";
import type { ErrorCode } from "../../src/lib/errors.ts";
import type { RefusalReason } from "../../src/node/mod.ts";
import { TestCluster } from "../node/cluster.ts";

test("the statuses are those of the documentation", () => {
  const text = readFileSync(new URL("../../docs/http.md", import.meta.url), "utf8");
  const documented = [...text.slice(text.indexOf("## Errors")).matchAll(/^\| (\d{3}) \| (.*) \|$/gm)].flatMap(
    ([, status, codes]) =>
      [...(codes ?? "").matchAll(/`([A-Z_]+)`/g)].map(([, code]) => [code, Number(status)] as const),
  );
  const isCode = (code: string | undefined): code is ErrorCode => code !== undefined && Object.hasOwn(exitOfCode, code);
  let checked = 0;
  for (const [code, status] of documented) {
    if (!isCode(code) || ((status === 404 || status === 405) && code === "INVALID_REQUEST")) continue; // those have a status of their own
    expect([code, statusOf(new ProaError(code, ""))]).toEqual([code, status]);
    checked++;
  }
  expect(checked).toBeGreaterThan(13);
});

test("a refusal never claims more than that nothing was applied", () => {
  const node = new TestCluster({ nodes: 3 }).node(1);
  const reasons: readonly RefusalReason[] = [
    "notLeader",
    "noLeader",
    "transferring",
    "overloaded",
    "stopping",
    "removed",
  ];
  for (const kind of ["write", "read", "transfer", "members"] as const) {
    for (const reason of reasons) {
      const error = refusalError(kind, { reason, leader: 2 }, node);
      expect([error.applied, error.exit, statusOf(error)]).toEqual(["no", 3, 503]);
      expect(error.message).toMatch(/^Cannot (write|read|transfer leadership|change the members): [^.]+[^.]$/);
    }
  }
  expect(refusalError("write", { reason: "notLeader", leader: 2 }, node).hint).toBe("ask node 2, which leads");
  expect(refusalError("write", { reason: "removed", leader: null }, node).hint).toBe(
    "ask 127.0.0.1:5002,127.0.0.1:5003",
  );
});

test("only what was proposed is unknown", () => {
  for (const kind of ["leadershipLost", "stopping"] as const) expect(unknownError({ kind }).applied).toBe("unknown");
  expect(unknownError({ kind: "timeout", timeoutMs: 7 }).exit).toBe(4);
  expect(heldError("write", { kind: "refused", reason: "notLeader" }, 7).applied).toBe("no");
  expect(heldError("write", { kind: "unreachable", leader: 2, why: "refused" }, 7).message).toContain(
    "node 2, could not be reached within 7 ms (refused)",
  );
});

test("a read that was not confirmed names who should have", () => {
  expect(readTimeoutError({ id: 1, isSelf: true }, 5).code).toBe("NO_QUORUM");
  expect(readTimeoutError({ id: 1, isSelf: false }, 5).code).toBe("READ_TIMEOUT");
  expect(readTimeoutError({ id: null, isSelf: false }, 5).code).toBe("NO_LEADER");
});

test("a transfer that did not happen is refused, one that may have is unknown", () => {
  const node = new TestCluster({ nodes: 3 }).node(1);
  const code = (outcome: Parameters<typeof transferError>[0]): string => transferError(outcome, node, 2).code;
  expect(code({ kind: "refused", reason: "learner" })).toBe("TRANSFER_REFUSED");
  expect(code({ kind: "timedOut", leader: 1 })).toBe("TRANSFER_REFUSED");
  expect(code({ kind: "timedOut", leader: 3 })).toBe("OUTCOME_UNKNOWN");
  expect(code({ kind: "timedOut", leader: null })).toBe("OUTCOME_UNKNOWN");
  expect(code({ kind: "notApplied", reason: "noLeader", leader: null })).toBe("NO_LEADER");
});
