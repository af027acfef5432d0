import { formatAddress } from "./address.js";
import { locate, type Located, type Origin } from "./located.js";
import { serverIdOf, type ZooEntries } from "./zoo-entries.js";
import { isHost, isWildcard, parseZooServer, type ZooServer } from "./zoo-server-line.js";

export type ServerLine = ZooServer & { readonly id: number; readonly line: number };

/** Of a file without server lines: an ensemble of one, which no other node talks to. */
export const STANDALONE: Origin = { kind: "derived", from: "no server lines" };

/** By id. */
export function serverLines(entries: ZooEntries): readonly ServerLine[] {
  const servers: ServerLine[] = [];
  for (const [key, { value, line }] of entries.all()) {
    const id = serverIdOf(key);
    if (id === null) continue;
    const server = parseZooServer(value);
    if (typeof server === "string") throw entries.bad(key, server, line);
    const before = servers.find((other) => other.id === id);
    // As in "server.1" and "server.01".
    if (before !== undefined) {
      throw entries.error("ERR_CONFIG_RELATION", `server.${id} is given twice`, line);
    }
    if (server.isMultiAddress)
      entries.warn(`of the addresses of ${key} only the first is used`, line);
    servers.push({ ...server, id, line });
  }
  return servers.sort((a, b) => a.id - b.id);
}

/** `host` of a file without server lines. */
export function standaloneHost(entries: ZooEntries): Located {
  const port = entries.clientPort();
  if (port === undefined) throw entries.bad("clientPort", "is required", 1);
  const host = {
    electionAddr: "127.0.0.1:0",
    messageAddr: "127.0.0.1:0",
    requestAddr: formatAddress({ host: clientHost(entries, "0.0.0.0"), port: port.number }),
  };
  const at = entries.at(port.line);
  return locate(host, (path) => (path[0] === "requestAddr" ? at : STANDALONE));
}

/** `peers`: all servers, as others reach them. */
export function membersOf(entries: ZooEntries, servers: readonly ServerLine[]): Located {
  const seen = new Map<string, number>();
  const items = servers.map((server) => {
    const { id, host, role, line } = server;
    const port = clientPortOf(entries, server);
    const requestAddr = formatAddress({ host: server.client?.host ?? host, port });
    const other = seen.get(requestAddr);
    if (other !== undefined) {
      const what = `server.${id} and server.${other} have one address for clients, ${requestAddr}`;
      const how = "; write a ;clientPort of its own at the end of each line, as ;127.0.0.1:2181";
      const hint = server.client === null ? how : "";
      throw entries.error("ERR_CONFIG_RELATION", what + hint, line);
    }
    seen.set(requestAddr, id);
    const electionAddr = formatAddress({ host, port: server.electionPort });
    const messageAddr = formatAddress({ host, port: server.messagePort });
    return locate({ id, role, electionAddr, messageAddr, requestAddr }, () => entries.at(line));
  });
  return { kind: "list", items, origin: entries.at(servers[0]?.line ?? 1) };
}

/** `host`: what this node binds. */
export function hostOf(entries: ZooEntries, server: ServerLine): Located {
  const shared = entries.clientPort();
  if (server.client !== null && shared !== undefined && shared.number !== server.client.port) {
    const { port } = server.client;
    const what = `clientPort ${shared.number} is not the ${port} of server.${server.id}`;
    throw entries.error("ERR_CONFIG_RELATION", what, shared.line);
  }
  const all = server.host.includes(":") ? "::" : "0.0.0.0";
  const host = entries.isTrue("quorumListenOnAllIPs") ? all : server.host;
  const request = server.client?.host ?? clientHost(entries, all);
  const addresses = {
    electionAddr: formatAddress({ host, port: server.electionPort }),
    messageAddr: formatAddress({ host, port: server.messagePort }),
    requestAddr: formatAddress({ host: request, port: clientPortOf(entries, server) }),
  };
  const clientLine = entries.get("clientPortAddress")?.line ?? shared?.line ?? server.line;
  return locate(addresses, (path) =>
    entries.at(path[0] === "requestAddr" ? clientLine : server.line),
  );
}

/** As in ZooKeeper the list has the say over peerType: the other nodes go by it. */
export function notePeerType(entries: ZooEntries, { id, role }: ServerLine): void {
  const entry = entries.get("peerType");
  if (entry === undefined) return;
  const type = entry.value.toLowerCase();
  if (type !== "observer" && type !== "participant") {
    throw entries.bad("peerType", "it must be participant or observer", entry.line);
  }
  if ((type === "observer") === (role === "watcher")) return;
  const listed = role === "watcher" ? "an observer" : "a participant";
  entries.warn(`peerType is not heeded: server.${id} is listed as ${listed}`, entry.line);
}

/** A node whose line names no port has this file's: ZooKeeper's files are alike on all nodes. */
function clientPortOf(entries: ZooEntries, server: ServerLine): number {
  const port = server.client?.port ?? entries.clientPort()?.number;
  if (port !== undefined) return port;
  const why = "it has no port for clients: give clientPort, or ;clientPort at its end";
  throw entries.bad(`server.${server.id}`, why, server.line);
}

function clientHost(entries: ZooEntries, all: string): string {
  const entry = entries.get("clientPortAddress");
  if (entry === undefined) return all;
  const address = entry.value.replace(/^\[(.*)\]$/, "$1");
  if (isHost(address)) return isWildcard(address) ? all : address;
  throw entries.bad("clientPortAddress", "it must be one host or address", entry.line);
}
