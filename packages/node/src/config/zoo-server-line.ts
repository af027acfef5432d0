import { isIP } from "node:net";
import type { MemberRole } from "./members.js";

/** One `server.N` of a zoo.cfg. */
export interface ZooServer {
  readonly host: string;
  readonly messagePort: number;
  readonly electionPort: number;
  readonly role: MemberRole;
  /** What stands behind the semicolon; its host is what that node binds, null for all. */
  readonly client: { readonly host: string | null; readonly port: number } | null;
  /** Further addresses of this server, which are not used. */
  readonly isMultiAddress: boolean;
}

const FORM = "host:messagePort:electionPort[:participant|:observer][;[clientAddress:]clientPort]";

/** The server, or what is wrong with the text. */
export function parseZooServer(text: string): ZooServer | string {
  const [servers = "", client, ...rest] = text.split(";").map((part) => part.trim());
  const [first = "", ...others] = servers.split("|");
  const [host, messagePort, electionPort, role = "participant", ...more] = hostFirst(first);
  if (rest.length > 0 || more.length > 0 || host === undefined || host === "") {
    return `it must have the form ${FORM}`;
  }
  if (!isHost(host)) return `"${host}" is not a host; an IPv6 address is written in brackets`;
  const message = portOf(messagePort);
  const election = portOf(electionPort);
  if (message === null || election === null) return `it must have the form ${FORM}`;
  const lower = role.toLowerCase();
  if (lower !== "participant" && lower !== "observer") {
    return `its role is participant or observer, not "${role}"`;
  }
  const clientAddress = client === undefined ? null : clientOf(client);
  if (clientAddress === undefined) {
    return "behind the semicolon stands a port, or an address and a port";
  }
  return {
    host,
    messagePort: message,
    electionPort: election,
    role: lower === "observer" ? "watcher" : "voter",
    client: clientAddress,
    isMultiAddress: others.length > 0,
  };
}

/** Splits at colons, except within the brackets of an IPv6 address at the beginning. */
function hostFirst(text: string): string[] {
  const match = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (match === null) return text.split(":");
  const [, host = "", rest] = match;
  if (isIP(host) !== 6) return [];
  return [host, ...(rest === undefined ? [] : rest.split(":"))];
}

export function isHost(host: string): boolean {
  return isIP(host) !== 0 || /^[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_.])?$/.test(host);
}

export function portOf(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return null;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : null;
}

function clientOf(text: string): ZooServer["client"] | undefined {
  const parts = hostFirst(text);
  const port = portOf(parts.at(-1));
  if (port === null || parts.length > 2) return undefined;
  const host = parts.length === 2 ? (parts[0] ?? "") : null;
  if (host === null) return { host, port };
  return isHost(host) ? { host: isWildcard(host) ? null : host, port } : undefined;
}

/** An address that means all of a machine's own. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || (isIP(host) === 6 && /^[0:]+$/.test(host));
}
