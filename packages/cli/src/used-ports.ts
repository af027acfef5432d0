import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { parseAddress } from "@quorate/node";
import { QuorateError } from "@quorate/protocol";

export interface Addresses {
  readonly id: number;
  readonly requestAddr: string;
  readonly messageAddr: string;
  readonly electionAddr: string;
}

/**
 * Refuses before anything is written or started: nodes whose ports another ensemble has would end
 * one by one, and the other's would be taken for them. @throws (rejects) ERR_SERVER_PORT_IN_USE.
 */
export async function refuseUsedPorts(nodes: readonly Addresses[]): Promise<void> {
  const asked = nodes.flatMap((node) => [
    { what: `${node.requestAddr} (clients of node ${node.id})`, used: isTcpUsed(node.requestAddr) },
    { what: `${node.messageAddr} (nodes, of node ${node.id})`, used: isTcpUsed(node.messageAddr) },
    { what: `udp ${node.electionAddr} (of node ${node.id})`, used: isUdpUsed(node.electionAddr) },
  ]);
  const answers = await Promise.all(
    asked.map(async ({ what, used }) => ((await used) ? what : "")),
  );
  const used = answers.filter((what) => what !== "");
  if (used.length === 0) return;
  throw new QuorateError(
    "ERR_SERVER_PORT_IN_USE",
    `already in use: ${used.join(", ")}; end what uses them, perhaps another ` +
      "`quorate start` or a node that was started by hand, or choose others with --port",
  );
}

function isTcpUsed(address: string): Promise<boolean> {
  const { host, port } = parseAddress(address, "address");
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(isInUse(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(false)));
  });
}

function isUdpUsed(address: string): Promise<boolean> {
  const { host, port } = parseAddress(address, "address");
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", (error) => {
      socket.close();
      resolve(isInUse(error));
    });
    socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve(false)));
  });
}

/** What else may be wrong with an address its node tells. */
function isInUse(error: Error): boolean {
  return "code" in error && error.code === "EADDRINUSE";
}
