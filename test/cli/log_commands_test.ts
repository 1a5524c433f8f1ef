/** How `proa log show` names commands: everything but values. */
import { expect, test } from "bun:test";
import { commandsIn } from "../../cli/commands/log_commands.ts";
import { type TestCommand, compact, lease, payloadOf, put } from "../kv/driver.ts";

test("each command has its words, and its fields in JSON", () => {
  const id = { born: 41, session: "abc", seq: 2 };
  const commands: readonly TestCommand[] = [
    { ...put("a", "hello", 3), lease: 7 },
    { ...put("b", "secret"), ttlMs: 30_000 },
    lease({ kind: "grant", id: 0, ttlMs: 60_000 }),
    lease({ kind: "grant", id: 7, ttlMs: 1500 }),
    lease({ kind: "renew", id: 7 }),
    lease({ kind: "expire", id: 7, renewal: 9 }),
    lease({ kind: "checkpoint", leases: [{ id: 7, renewal: 9, remainingMs: 500 }] }),
    { kind: "once", id, commands: [put("c", "1"), lease({ kind: "revoke", id: 7 })] },
    compact(5),
  ];
  const shown = commandsIn({ payload: payloadOf(commands) });
  expect(shown.map(({ text }) => text)).toEqual([
    "put a (5 B) if at 3 on lease 7",
    "put b (6 B) for 30s",
    "lease grant for 1m",
    "lease grant 7 for 1500ms",
    "lease renew 7",
    "lease expire 7",
    "lease checkpoint of 1",
    "once put c (1 B), lease revoke 7",
    "compact (8 B)",
  ]);
  expect(shown.map(({ facts }) => facts)).toEqual([
    { command: "put", key: "a", value_bytes: 5, if_rev: 3, lease: 7 },
    { command: "put", key: "b", value_bytes: 6, ttl_ms: 30_000 },
    { command: "lease grant", ttl_ms: 60_000 },
    { command: "lease grant", id: 7, ttl_ms: 1500 },
    { command: "lease renew", id: 7 },
    { command: "lease expire", id: 7 },
    { command: "lease checkpoint", leases: [{ id: 7, remaining_ms: 500 }] },
    {
      command: "once",
      request_id: "41-abc.2",
      commands: [
        { command: "put", key: "c", value_bytes: 1 },
        { command: "lease revoke", id: 7 },
      ],
    },
    { command: "compact", body_bytes: 8 },
  ]);
});
