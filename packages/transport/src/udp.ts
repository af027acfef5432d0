/**
 * What a service that only elects needs of this package: no WebSocket, no message codec.
 * @packageDocumentation
 */
import { isIPv6 } from "node:net";
import {
  QuorateError,
  type ElectionNetworkOptions,
  type NodeId,
  type OpenElectionNetwork,
} from "@quorate/protocol";
import { parseAddress } from "./address.js";
import { isLoopbackHost } from "./bind.js";
import { createClock } from "./clock.js";
import type { PeerAddress } from "./deps.js";
import { createRandom } from "./random.js";
import { createUdpMessenger } from "./udp-messenger.js";

export { parseAddress } from "./address.js";

/**
 * Elections over real UDP, real time and real randomness: the second argument of `joinElection`
 * and `findLeader`.
 * @throws (rejects) ERR_SERVER_PORT_IN_USE, ERR_CONFIG_INSECURE, ERR_CONFIG_VALUE.
 */
export async function udpNetwork(options: ElectionNetworkOptions): Promise<OpenElectionNetwork> {
  const { nodeId, cluster, secret, logger, meter } = options;
  const peers = new Map<NodeId, PeerAddress>();
  for (const [id, address] of options.members) {
    peers.set(id, parseMember(id, address));
  }
  const bind =
    options.bind === undefined
      ? (peers.get(nodeId) ?? anyPort(peers))
      : parseAddress(options.bind, "bind");
  const clock = createClock();
  const messenger = await createUdpMessenger(
    { nodeId, cluster, bind, peers, secret },
    { clock, logger, meter },
  );
  return {
    clock,
    random: createRandom(),
    messenger,
    leases: messenger.leases,
    close: () => messenger.close(),
  };
}

function parseMember(id: NodeId, text: string): PeerAddress {
  const address = parseAddress(text, `the address of member ${id}`);
  if (address.port !== 0) return address;
  throw new QuorateError("ERR_CONFIG_VALUE", `member ${id} needs a port: nobody finds it at 0`, {
    details: { key: `members.${id}`, value: text },
  });
}

/** For one who is no member and only asks: any port from which the members can be reached. */
function anyPort(peers: ReadonlyMap<NodeId, PeerAddress>): PeerAddress {
  const hosts = [...peers.values()].map(({ host }) => host);
  const isLocal = hosts.every(isLoopbackHost);
  if (hosts.some(isIPv6)) return { host: isLocal ? "::1" : "::", port: 0 };
  return { host: isLocal ? "127.0.0.1" : "0.0.0.0", port: 0 };
}
