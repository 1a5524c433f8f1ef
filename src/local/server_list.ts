/** The text that says where the nodes of a cluster listen, `id,host:replicate[,host:service];…`. Looks nothing up. */
import { ProaError } from "../lib/errors.ts";

export interface HostPort {
  /** A name or an address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

/** Where one node listens: for the other nodes, and for clients. */
export interface ServerAddress {
  readonly id: number;
  readonly replicate: HostPort;
  readonly service: HostPort;
}

/** What is added to the replicate port where no service address is given: 4001 becomes 5001. */
export const servicePortOffset = 1000;

/** Ids travel as 32 bits. */
const idMax = 0xffff_ffff;
const portMax = 65_535;

/** Reads a server list, in order of id. Throws a `ProaError` USAGE that names the element that is wrong. */
export function parseServers(text: string): readonly ServerAddress[] {
  const elements = text.split(";").map((element) => element.trim());
  if (elements.at(-1) === "") elements.pop(); // a semicolon may also end the list
  if (elements.length === 0) throw invalid("it is empty");
  const servers = elements.map((element, position) => parseServer(element, position + 1));
  refuseRepeats(servers);
  return servers.toSorted((a, b) => a.id - b.id);
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The list that {@link parseServers} reads back as the same servers. */
export function formatServers(servers: readonly ServerAddress[]): string {
  return servers
    .map(({ id, replicate, service }) => `${id},${formatHostPort(replicate)},${formatHostPort(service)}`)
    .join(";");
}

function parseServer(element: string, position: number): ServerAddress {
  const fail = (reason: string): ProaError => invalid(`element ${position} ("${element}") ${reason}`);
  const [idText = "", replicateText, serviceText, ...rest] = element.split(",").map((part) => part.trim());
  if (element === "") throw invalid(`element ${position} is empty`);
  if (rest.length > 0) throw fail("has more than an id and two addresses");
  const id = /^[0-9]+$/.test(idText) ? Number(idText) : 0;
  if (id < 1 || id > idMax) throw fail(`starts with "${idText}", which is not a node id (a whole number from 1)`);
  if (replicateText === undefined) throw fail("has no address");
  const replicate = parseHostPort(replicateText, fail);
  if (serviceText !== undefined) return { id, replicate, service: parseHostPort(serviceText, fail) };
  const port = replicate.port + servicePortOffset;
  if (port > portMax)
    throw fail(`needs a service address: port ${replicate.port} + ${servicePortOffset} is above ${portMax}`);
  return { id, replicate, service: { host: replicate.host, port } };
}

function parseHostPort(text: string, fail: (reason: string) => ProaError): HostPort {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+)):([0-9]+)$/.exec(text);
  if (match === null) throw fail(`has the address "${text}", which is not host:port`);
  const port = Number(match[3]);
  if (port < 1 || port > portMax) throw fail(`has port ${match[3]}, which is not between 1 and ${portMax}`);
  return { host: match[1] ?? match[2] ?? "", port };
}

function refuseRepeats(servers: readonly ServerAddress[]): void {
  const ids = new Set<number>();
  const owners = new Map<string, number>();
  for (const { id, replicate, service } of servers) {
    if (ids.has(id)) throw invalid(`node id ${id} appears twice`);
    ids.add(id);
    for (const address of [formatHostPort(replicate), formatHostPort(service)]) {
      const owner = owners.get(address);
      if (owner === id) throw invalid(`node ${id} has ${address} as both its addresses`);
      if (owner !== undefined) throw invalid(`nodes ${owner} and ${id} share the address ${address}`);
      owners.set(address, id);
    }
  }
}

function invalid(reason: string): ProaError {
  return new ProaError("USAGE", `Cannot read the server list: ${reason}`, {
    hint: "a list looks like '1,127.0.0.1:4001;2,127.0.0.1:4002;3,127.0.0.1:4003'",
  });
}
