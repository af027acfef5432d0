import { stat } from "node:fs/promises";
import { createServer, TLSSocket } from "node:tls";
import type { Socket } from "node:net";
import type { AuthIdentity, Logger, Meter } from "@quorate/protocol";
import type { Address } from "../config/address.js";
import type { TlsConfig } from "../config/tls.js";
import { listen } from "../native/listen.js";
import { HANDSHAKE_MS, SECURE_CONNECTIONS_MAX } from "../native/limits.js";
import { readStores } from "./key-store.js";
import { subjectOf } from "./subject.js";

export interface SecurePort {
  readonly address: Address;
  /** A periodic look: takes up certificates that were replaced. */
  sweep(): Promise<void>;
  /** Takes no more; resolves when all that it took are closed. */
  close(): Promise<void>;
}

interface SecurePortDeps {
  /** A connection whose handshake is over. */
  take(socket: Socket): void;
  readonly logger: Logger;
  readonly meter: Meter;
}

/**
 * Opens the port for clients that speak TLS. What is inside is told apart as on the other port.
 * @throws (rejects) ERR_CONFIG_FILE for a store; ERR_SERVER_PORT_IN_USE, ERR_CONFIG_VALUE.
 */
export async function openSecurePort(config: TlsConfig, deps: SecurePortDeps): Promise<SecurePort> {
  let seen = await timesOf(config);
  const server = createServer({
    ...(await readStores(config)),
    requestCert: config.clientAuth !== "none",
    rejectUnauthorized: config.clientAuth === "need",
    handshakeTimeout: HANDSHAKE_MS,
    allowHalfOpen: true,
    noDelay: true,
  });
  server.maxConnections = SECURE_CONNECTIONS_MAX;
  server.on("drop", () => deps.meter.count("native_connections_dropped"));
  server.on("tlsClientError", (error, socket) => {
    deps.meter.count("tls_handshakes_failed");
    deps.logger.warn("a client's TLS handshake failed", {
      client: socket.remoteAddress,
      reason: error.message,
    });
    socket.destroy();
  });
  server.on("secureConnection", (socket) => {
    // Who shows a certificate that nobody vouches for is refused, also where none is needed.
    if (config.clientAuth === "want" && !socket.authorized && hasCertificate(socket)) {
      const reason = String(socket.authorizationError);
      deps.logger.warn("refused a client's certificate", { client: socket.remoteAddress, reason });
      socket.on("error", () => socket.destroy());
      socket.destroy();
      return;
    }
    deps.take(socket);
  });
  const address = await listen(server, config.address, "tls.addr");
  return {
    address,
    async sweep() {
      const now = await timesOf(config);
      if (now === seen) return;
      seen = now;
      try {
        server.setSecureContext(await readStores(config));
        deps.logger.info("took up the replaced certificates");
      } catch (error) {
        deps.logger.error("replaced certificates cannot be used; the old ones are", {}, error);
      }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

/** Who a client is by its certificate: nobody without one that somebody vouches for. */
export function certifiedOf(socket: Socket, superUser: string | null): readonly AuthIdentity[] {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return [];
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return [];
  const id = subjectOf(certificate.raw);
  const own: AuthIdentity = { scheme: "x509", id };
  return id === superUser ? [{ scheme: "super", id }, own] : [own];
}

function hasCertificate(socket: TLSSocket): boolean {
  return socket.getPeerX509Certificate() !== undefined;
}

/** When the files were last changed, as one text. One that is just being replaced has no time. */
async function timesOf({ keyStore, trustStore }: TlsConfig): Promise<string> {
  const files = trustStore === null ? [keyStore] : [keyStore, trustStore];
  const times = files.map((file) =>
    stat(file).then(
      ({ mtimeMs, ino, size }) => `${mtimeMs}/${ino}/${size}`,
      () => "",
    ),
  );
  return (await Promise.all(times)).join(" ");
}
