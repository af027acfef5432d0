import { statSync } from "node:fs";
import { QuorateError } from "@quorate/protocol";
import { formatAddress, isLoopback, type Address } from "./address.js";
import type { Member } from "./members.js";
import type { ConfigInput } from "./schema.js";
import { readText } from "./text-file.js";

/** Characters of a secret. */
export const SECRET_LENGTH_MIN = 16;
export const SECRET_LENGTH_MAX = 4096;

export interface Secret {
  readonly secret: string | null;
  readonly warnings: readonly string[];
}

/** @throws ERR_CONFIG_FILE, ERR_CONFIG_VALUE, ERR_CONFIG_RELATION. */
export function secretOf(input: ConfigInput): Secret {
  if (input.secret !== undefined && input.secretFile !== undefined) {
    throw new QuorateError("ERR_CONFIG_RELATION", "give secret or secretFile, not both", {
      details: { key: "secretFile" },
    });
  }
  if (input.secretFile === undefined) return { secret: input.secret ?? null, warnings: [] };
  const secret = readText("the secret file", input.secretFile).trim();
  if (secret.length < SECRET_LENGTH_MIN || secret.length > SECRET_LENGTH_MAX) {
    const bounds = `${SECRET_LENGTH_MIN}..${SECRET_LENGTH_MAX}`;
    throw new QuorateError("ERR_CONFIG_VALUE", `secretFile: a secret has ${bounds} characters`, {
      details: { key: "secretFile" },
    });
  }
  return { secret, warnings: publicWarnings("the secret file", input.secretFile) };
}

/** That everybody may read what is a secret. `what` names the file, which is there. */
export function publicWarnings(what: string, file: string): readonly string[] {
  if (process.platform === "win32" || (statSync(file).mode & 0o007) === 0) return [];
  return [`every user of this machine may read or write ${what} ${file}; chmod it to 600`];
}

/**
 * @param where the setting that gives the host, for who is told its place.
 * @throws ERR_CONFIG_INSECURE.
 */
export function refuseInsecure(
  host: Member,
  secret: string | null,
  { isZooCfg, where }: { readonly isZooCfg: boolean; readonly where: string },
): void {
  if (secret !== null) return;
  for (const kind of ["election", "message", "request"] as const) {
    if (isLoopback(host[kind].host)) continue;
    throw new QuorateError(
      "ERR_CONFIG_INSECURE",
      `${kind}Addr ${formatAddress(host[kind])} is reachable from other machines and no secret ` +
        "is set, so anyone there could vote or write; set a secret (secretFile, --secret-file, " +
        `QUORATE_SECRET_FILE or QUORATE_SECRET), or ${loopbackWay(host, kind, isZooCfg)}`,
      { details: { address: formatAddress(host[kind]), key: `${where}.${kind}Addr` } },
    );
  }
}

/** @throws ERR_CONFIG_INSECURE. */
export function refuseExposed(setting: string, address: Address, secret: string | null): void {
  if (secret !== null || isLoopback(address.host)) return;
  throw new QuorateError(
    "ERR_CONFIG_INSECURE",
    `${setting} ${formatAddress(address)} is reachable from other machines and no secret is set; ` +
      "set a secret (secretFile, --secret-file, QUORATE_SECRET_FILE or QUORATE_SECRET)",
    { details: { address: formatAddress(address), key: setting } },
  );
}

/** How an address is bound to loopback, in the words of the file. */
function loopbackWay(
  host: Member,
  kind: "election" | "message" | "request",
  isZooCfg: boolean,
): string {
  if (!isZooCfg) return "bind to 127.0.0.1";
  if (kind !== "request") return "write 127.0.0.1 as the host of the server lines";
  const client = `;127.0.0.1:${host.request.port}`;
  return `write clientPortAddress=127.0.0.1, or ${client} at the end of this node's server line`;
}
