import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import {
  decodeDatagram,
  decodeLeaseDatagram,
  encodeDatagram,
  encodeLeaseDatagram,
  isLeaseDatagram,
} from "@quorate/codec/datagram";
import {
  DATAGRAM_BYTES_MAX,
  QuorateError,
  type BallotDatagram,
  type DatagramEnvelope,
  type LeaseDatagram,
  type LeaseMessenger,
  type NodeId,
  type PeerMessenger,
} from "@quorate/protocol";
import { assertSafeBind, bindError } from "./bind.js";
import { openDatagram, sealDatagram } from "./datagram-mac.js";
import type { PeerAddress, TransportDeps } from "./deps.js";
import { Resolver } from "./resolver.js";
import { Warnings } from "./warnings.js";

/** Solicitors outside of the ensemble whose address is kept to answer them; the oldest goes. */
const SOLICITORS_MAX = 64;
/** Bytes that wait in the socket. Beyond it datagrams are dropped, as the network may anyway. */
const SEND_QUEUE_BYTES_MAX = 256 * 1024;

export interface UdpMessengerOptions {
  readonly nodeId: NodeId;
  readonly cluster: string;
  readonly bind: PeerAddress;
  /** Where the other nodes take ballots. Read at every use, so it may change. */
  readonly peers: ReadonlyMap<NodeId, PeerAddress>;
  readonly secret?: string | undefined;
}

export type BoundPeerMessenger = PeerMessenger & {
  readonly address: PeerAddress;
  /** Leases of candidates, over the same socket; closed with it. A server leaves them alone. */
  readonly leases: LeaseMessenger;
};

type LeaseReceiver = Parameters<LeaseMessenger["onDatagram"]>[0];

/**
 * Ballots over UDP. @throws (rejects) ERR_CONFIG_INSECURE, ERR_SERVER_PORT_IN_USE,
 * ERR_CONFIG_VALUE when the address cannot be bound.
 */
export async function createUdpMessenger(
  options: UdpMessengerOptions,
  deps: TransportDeps,
): Promise<BoundPeerMessenger> {
  const { bind, secret } = options;
  assertSafeBind({ host: bind.host, secret });
  const family = isIPv6(bind.host) ? 6 : 4;
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error) => {
      socket.close();
      reject(bindError(error, bind));
    });
    socket.bind({ address: bind.host, port: bind.port, exclusive: true }, resolve);
  });
  socket.removeAllListeners("error");
  return new UdpMessenger(socket, new Resolver(deps.clock, family, deps.lookup), options, deps);
}

class UdpMessenger implements BoundPeerMessenger {
  readonly address: PeerAddress;
  readonly leases: LeaseMessenger = {
    send: (to, datagram) => this.#sendBytes(to, encodeLeaseDatagram(datagram)),
    onDatagram: (receiver) => {
      this.#leaseReceiver = receiver;
    },
  };
  readonly #socket: Socket;
  readonly #resolver: Resolver;
  readonly #options: UdpMessengerOptions;
  readonly #deps: TransportDeps;
  readonly #warnings: Warnings;
  readonly #solicitors = new Map<NodeId, PeerAddress>();
  #receiver: ((datagram: BallotDatagram) => void) | null = null;
  #leaseReceiver: LeaseReceiver = null;
  #closed: Promise<void> | null = null;

  constructor(
    socket: Socket,
    resolver: Resolver,
    options: UdpMessengerOptions,
    deps: TransportDeps,
  ) {
    const bound = socket.address();
    this.address = { host: bound.address, port: bound.port };
    this.#socket = socket;
    this.#resolver = resolver;
    this.#options = options;
    this.#deps = deps;
    this.#warnings = new Warnings(deps);
    socket.on("message", (bytes, from) => {
      this.#onBytes(bytes, from);
    });
    socket.on("error", (error) => {
      this.#deps.meter.count("ballot_socket_errors");
      this.#warnings.warn("ballot socket reported an error", {}, error);
    });
  }

  send(to: NodeId, datagram: BallotDatagram): void {
    this.#sendBytes(to, encodeDatagram(datagram));
  }

  onDatagram(receiver: ((datagram: BallotDatagram) => void) | null): void {
    this.#receiver = receiver;
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#receiver = null;
      this.#leaseReceiver = null;
      this.#socket.close(resolve);
    });
    return this.#closed;
  }

  #sendBytes(to: NodeId, body: Uint8Array): void {
    const address = this.#options.peers.get(to) ?? this.#solicitors.get(to);
    if (this.#closed !== null || address === undefined || to === this.#options.nodeId) {
      this.#drop("unknown_receiver");
      return;
    }
    const bytes = sealDatagram(body, this.#options.secret);
    if (bytes.length > DATAGRAM_BYTES_MAX) {
      this.#drop("oversized");
      return;
    }
    this.#resolver.resolve(address.host, (host) => {
      if (host === null) this.#drop("unresolved");
      else this.#transmit(bytes, to, { host, port: address.port });
    });
  }

  #transmit(bytes: Uint8Array, to: NodeId, { host, port }: PeerAddress): void {
    // The name may have been resolved after the close.
    if (this.#closed !== null) return;
    // Node throws for it. A datagram may come from there, and want an answer: UDP allows it.
    if (port === 0) {
      this.#drop("no_port");
      return;
    }
    if (this.#socket.getSendQueueSize() > SEND_QUEUE_BYTES_MAX) {
      this.#drop("send_queue_full");
      return;
    }
    this.#deps.meter.count(`peer_${to}_ballot_sent_bytes`, bytes.length);
    this.#socket.send(bytes, port, host, (error) => {
      if (error === null) return;
      this.#drop("send_failed");
      this.#warnings.warn("ballot could not be sent", { to }, error);
    });
  }

  #onBytes(bytes: Uint8Array, from: RemoteInfo): void {
    if (bytes.length > DATAGRAM_BYTES_MAX) {
      this.#reject("oversized", from);
      return;
    }
    const body = openDatagram(bytes, this.#options.secret);
    if (body === null) {
      this.#reject("bad_mac", from);
      return;
    }
    let datagram: BallotDatagram | LeaseDatagram;
    try {
      datagram = isLeaseDatagram(body) ? decodeLeaseDatagram(body) : decodeDatagram(body);
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      if (error.code === "ERR_PROTOCOL_VERSION") this.#rejectVersion(error, from);
      else this.#reject("garbage", from);
      return;
    }
    if (datagram.cluster !== this.#options.cluster) {
      this.#reject("other_cluster", from);
      return;
    }
    const isKnown = "vote" in datagram ? this.#isKnown(datagram, from) : this.#isPeer(datagram);
    if (!isKnown) {
      this.#reject("unknown_sender", from);
      return;
    }
    this.#deps.meter.count(`peer_${datagram.sender}_ballot_received_bytes`, bytes.length);
    this.#deliver(datagram, from);
  }

  #deliver(datagram: BallotDatagram | LeaseDatagram, from: RemoteInfo): void {
    if ("vote" in datagram) {
      if (this.#receiver === null) this.#drop("no_receiver");
      else this.#receiver(datagram);
    } else if (this.#leaseReceiver === null) {
      this.#drop("no_receiver");
    } else {
      const address = { host: from.address, port: from.port };
      this.#leaseReceiver(datagram, (answer) => {
        const answerBytes = sealDatagram(encodeLeaseDatagram(answer), this.#options.secret);
        this.#transmit(answerBytes, datagram.sender, address);
      });
    }
  }

  #isPeer({ sender }: DatagramEnvelope): boolean {
    return sender !== this.#options.nodeId && this.#options.peers.has(sender);
  }

  /** Whether it may be heard: from the ensemble, or from someone who only asks who leads. */
  #isKnown({ sender, vote }: BallotDatagram, from: RemoteInfo): boolean {
    if (sender === this.#options.nodeId) return false;
    if (this.#options.peers.has(sender)) return true;
    if (!vote.solicit) return false;
    this.#solicitors.delete(sender);
    this.#solicitors.set(sender, { host: from.address, port: from.port });
    if (this.#solicitors.size > SOLICITORS_MAX) {
      const [oldest] = this.#solicitors.keys();
      if (oldest !== undefined) this.#solicitors.delete(oldest);
    }
    return true;
  }

  #reject(why: string, from: RemoteInfo): void {
    this.#drop(why);
    this.#warnings.warn("dropped a ballot datagram", { why, host: from.address, port: from.port });
  }

  /** A sentence of its own: it calls for an operator, and must not be lost among other drops. */
  #rejectVersion({ code, details }: QuorateError, from: RemoteInfo): void {
    const { own, peer } = details;
    this.#drop("other_version");
    this.#warnings.warn("a peer speaks another protocol version: its ballots are not heard", {
      code,
      own,
      peer,
      host: from.address,
      port: from.port,
    });
  }

  #drop(why: string): void {
    this.#deps.meter.count(`ballot_dropped_${why}`);
  }
}
