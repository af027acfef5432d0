import { isIP } from "node:net";
import { QuorateError } from "@quorate/protocol";

/** Whether only processes of this machine can reach the address. */
export function isLoopbackHost(host: string): boolean {
  const version = isIP(host);
  if (version === 4) return host.startsWith("127.");
  if (version === 6) return host === "::1" || /^::ffff:127\./i.test(host);
  return host.toLowerCase() === "localhost";
}

/**
 * Peers believe what an authentic member says, so an ensemble without a secret must not listen
 * where a stranger can write.
 * @throws ERR_CONFIG_INSECURE.
 */
export function assertSafeBind(options: {
  readonly host: string;
  readonly secret?: string | undefined;
}): void {
  const { host, secret } = options;
  if (isLoopbackHost(host) || (secret !== undefined && secret !== "")) return;
  throw new QuorateError(
    "ERR_CONFIG_INSECURE",
    `"${host}" is not a loopback address: anyone who can reach it could take part in elections ` +
      "and write history; set a secret, or bind to 127.0.0.1",
    { details: { host } },
  );
}

/** A failed bind as an error that a person can act on. */
export function bindError(error: unknown, address: { host: string; port: number }): QuorateError {
  const code = systemCodeOf(error);
  const where = `${address.host}:${address.port}`;
  if (code === "EADDRINUSE") {
    return new QuorateError("ERR_SERVER_PORT_IN_USE", `${where} is in use by another process`, {
      cause: error,
      details: address,
    });
  }
  return new QuorateError("ERR_CONFIG_VALUE", `cannot listen on ${where} (${code ?? "unknown"})`, {
    cause: error,
    details: address,
  });
}

export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
