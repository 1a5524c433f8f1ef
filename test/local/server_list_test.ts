/** The text of `--servers`: what it says, and what is said about a wrong one. */
import { expect, test } from "bun:test";
import { formatHostPort, formatServers, parseServers } from "../../src/local/server_list.ts";

test("an element is an id and a replicate address; the service port follows from it", () => {
  expect(parseServers("1,127.0.0.1:4001")).toEqual([
    { id: 1, replicate: { host: "127.0.0.1", port: 4001 }, service: { host: "127.0.0.1", port: 5001 } },
  ]);
});

test("a service address may be given, and hosts may be names or IPv6 addresses", () => {
  expect(parseServers("7,node-7.example:4001,[fd00::7]:80")).toEqual([
    { id: 7, replicate: { host: "node-7.example", port: 4001 }, service: { host: "fd00::7", port: 80 } },
  ]);
});

test("elements may be in any order, with blanks, and a semicolon at the end", () => {
  const servers = parseServers(" 3,h3:4001 ;\n 1 , h1:4001;2,h2:4001; ");
  expect(servers.map(({ id, replicate }) => `${id} ${replicate.host}`)).toEqual(["1 h1", "2 h2", "3 h3"]);
});

test("a list that was formatted reads back as the same servers", () => {
  const servers = parseServers("1,127.0.0.1:4001;2,[::1]:4002,host:80");
  expect(formatServers(servers)).toBe("1,127.0.0.1:4001,127.0.0.1:5001;2,[::1]:4002,host:80");
  expect(parseServers(formatServers(servers))).toEqual(servers);
  expect(formatHostPort({ host: "::1", port: 1 })).toBe("[::1]:1");
});

const wrong: readonly (readonly [text: string, reason: string])[] = [
  ["", "it is empty"],
  [";", "element 1 is empty"],
  ["1,h:4001;;2,h:4002", "element 2 is empty"],
  ["1", 'element 1 ("1") has no address'],
  ["1,h:4001;x,h:4002", 'element 2 ("x,h:4002") starts with "x", which is not a node id'],
  ["0,h:4001", 'starts with "0", which is not a node id'],
  ["-1,h:4001", 'starts with "-1", which is not a node id'],
  ["4294967296,h:4001", "which is not a node id"],
  ["h:4001", 'starts with "h:4001", which is not a node id'],
  ["1,h", 'has the address "h", which is not host:port'],
  ["1,h:", 'has the address "h:", which is not host:port'],
  ["1,:4001", 'has the address ":4001", which is not host:port'],
  ["1,::1:4001", 'has the address "::1:4001", which is not host:port'],
  ["1,h:4001,", 'has the address "", which is not host:port'],
  ["1,h:0", "has port 0, which is not between 1 and 65535"],
  ["1,h:65536", "has port 65536, which is not between 1 and 65535"],
  ["1,h:64600", "needs a service address: port 64600 + 1000 is above 65535"],
  ["1,h:1,h:2,h:3", "has more than an id and two addresses"],
  ["1,h:4001;1,h:4002", "node id 1 appears twice"],
  ["1,h:4001;2,h:4001", "nodes 1 and 2 share the address h:4001"],
  ["1,h:4001;2,h:5001", "nodes 1 and 2 share the address h:5001"],
  ["1,h:4001,h:4001", "node 1 has h:4001 as both its addresses"],
];

for (const [text, reason] of wrong) {
  test(`refused: ${JSON.stringify(text)}`, () => {
    expect(() => parseServers(text)).toThrow(reason);
  });
}
