/**
 * Sockets, time and randomness of the host (L2): peers over WebSocket, ballots over UDP.
 * @packageDocumentation
 */
export { formatAddress, parseAddress } from "./address.js";
export { assertSafeBind, isLoopbackHost } from "./bind.js";
export { chainHash } from "./chain-hash.js";
export { createClock } from "./clock.js";
export type { PeerAddress, TransportDeps } from "./deps.js";
export { createPeerConnector, type PeerConnectorOptions } from "./peer-connector.js";
export {
  createPeerListener,
  type BoundPeerListener,
  type PeerListenerOptions,
} from "./peer-listener.js";
export { createRandom } from "./random.js";
export {
  createUdpMessenger,
  type BoundPeerMessenger,
  type UdpMessengerOptions,
} from "./udp-messenger.js";
