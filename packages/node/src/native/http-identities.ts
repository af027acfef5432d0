import type { IncomingMessage } from "node:http";
import type { AuthIdentity } from "@quorate/protocol";
import { Identities } from "@quorate/zookeeper";
import { certifiedOf } from "../tls/secure-port.js";

const BASIC = /^Basic +([A-Za-z0-9+/=]+) *$/i;

/** An IPv4 address within one of IPv6 is told as what it is. Empty when it is gone already. */
export function plainAddress(address = ""): string {
  return address.replace(/^::ffff:(?=[0-9.]+$)/i, "").replace(/%.*$/, "");
}

/**
 * What a request over HTTP proves: its address, its certificate, and by basic authentication what
 * `addauth digest user:password` does.
 */
export function httpIdentities(
  { socket, headers }: Pick<IncomingMessage, "socket" | "headers">,
  known: { readonly superUser: string | null; readonly superDigest: string | null },
): Identities {
  const certified: readonly AuthIdentity[] = certifiedOf(socket, known.superUser);
  const identities = new Identities(
    plainAddress(socket.remoteAddress),
    certified,
    known.superDigest,
  );
  const [, credentials] = BASIC.exec(headers.authorization ?? "") ?? [];
  if (credentials !== undefined) {
    identities.authenticate("digest", Buffer.from(credentials, "base64"));
  }
  return identities;
}
